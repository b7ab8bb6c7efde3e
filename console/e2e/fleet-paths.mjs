// Paths of the fleet: hosts that join and end, users, the second factor, settings. What only the
// mock can show (a host that arrives, a silent one, a plan in part) runs against the mock alone.
import { totp } from "./totp.mjs";

export function fleetPaths({ path, go, heading, table, mock, name, password }) {
  const dialog = (page) => page.getByRole("dialog");

  /** Every page as it opens: run in each view. */
  async function looks(page, host) {
    for (const group of ["region", "verdict", "tag:role"]) {
      await path(page, `hosts by ${group}`, async () => {
        await go(page, `/hosts?group=${group}`);
        await table(page, "Hosts").getByRole("rowheader").first().waitFor();
      });
    }
    await path(page, "hosts filtered to nothing", async () => {
      await go(page, "/hosts?tag=nobody%3Dhas-this&standing=all");
      await page.getByText("No host matches this filter.").waitFor();
    });
    await path(page, "host edit", async () => {
      await go(page, `/hosts/${host}`);
      await page.getByRole("button", { name: "Edit" }).click();
      await page.getByRole("region", { name: "Region, tags and profile" }).waitFor();
    });
    await path(page, "users", async () => {
      await go(page, "/users");
      await page.getByRole("button", { name: `Actions for ${name}` }).waitFor();
      await table(page, "What a role may do").waitFor();
    });
    await path(page, "user form", async () => {
      await go(page, "/users?show=add");
      await dialog(page).getByRole("button", { name: "Add a user" }).click();
      await dialog(page).getByText("A name is needed.").waitFor();
    });
    await path(page, "join tokens", async () => {
      await go(page, "/join-tokens");
      await heading(page, "Join tokens");
    });
    await path(page, "account", async () => {
      await go(page, "/account");
      await table(page, "Your sessions").getByText("this one").waitFor();
    });
    await path(page, "settings", async () => {
      await go(page, "/settings");
      await page.getByText("Root fingerprint").waitFor();
    });
    await path(page, "audit since", async () => {
      await go(page, `/audit?since=24h&actor=${name}`);
      await heading(page, "Audit");
      await page.getByLabel("since").waitFor();
    });
    if (mock) await mockLooks(page);
  }

  async function mockLooks(page) {
    for (const [host, words] of [
      ["mail-2", "Nothing has come from this host since"],
      ["db-4", "it was killed or has crashed"],
      ["nas-1", "No agent runs on this host"],
      ["log-3", "was withdrawn"],
    ]) {
      await path(page, `host ${host}`, async () => {
        await go(page, `/hosts/${host}`);
        await page.getByText(words).waitFor();
      });
    }
    await path(page, "lost records are told", async () => {
      await go(page, "/hosts/mail-2");
      await page.getByText("4,120 records were given up").waitFor();
    });
    await path(page, "a verdict says its reason on focus", async () => {
      await go(page, "/hosts?group=verdict");
      await table(page, "Hosts").locator("[data-above]").first().focus();
      await page.getByRole("tooltip").waitFor();
    });
    await path(page, "host retire asks for the name", async () => {
      await go(page, `/hosts/web-3`);
      await page.getByRole("button", { name: "Retire…" }).click();
      await dialog(page).getByLabel(`Type web-3 to go on`).fill("another");
      await dialog(page).getByRole("button", { name: "Retire this host" }).click();
      await dialog(page).getByText("This is not the name.").waitFor();
    });
    await path(page, "a plan on probation says which way was tried", async () => {
      await go(page, "/plans/p-7");
      await table(page, "Hosts").getByText("a new SSH connection").first().waitFor();
    });
    await path(page, "a plan in part", async () => {
      await go(page, "/plans/p-5");
      await table(page, "Hosts").getByText("Device or resource busy").waitFor();
    });
    await path(page, "an audit entry says before and after", async () => {
      await go(page, "/audit?kind=frame.host");
      await page.locator("[data-row]").first().press("Enter");
      await dialog(page).getByText("tags.env").waitFor();
    });
    await path(page, "an audit entry leads to its plan", async () => {
      await go(page, "/audit?kind=firewall");
      await page.locator("[data-row]").first().press("Enter");
      await dialog(page).getByRole("link", { name: "p-1" }).waitFor();
    });
    await path(page, "a link for one user", async () => {
      await go(page, "/welcome#mock-link-1&name=ann");
      await heading(page, "Set your password");
      if ((await page.getByLabel("Name").inputValue()) !== "ann") throw new Error("the name is not the link's");
    });
    await join(page);
  }

  async function join(page) {
    await path(page, "hosts add makes a command", async () => {
      await go(page, "/hosts?show=add");
      await dialog(page).getByLabel("Region").fill("fra-1");
      await dialog(page).getByLabel("Tags").fill("role=web env");
      await dialog(page).getByText("“env” is no tag").waitFor();
      await dialog(page).getByLabel("Tags").fill("role=web env=live");
      await dialog(page).getByRole("button", { name: "Make the command" }).click();
      await dialog(page).getByText("palisade agent --join").waitFor();
      await dialog(page).getByText("Waiting for the host to join.").waitFor();
    });
    if (!mock) return;
    await path(page, "hosts add by cloud-init", async () => {
      await dialog(page).getByRole("link", { name: "Cloud-init" }).click();
      await dialog(page).getByRole("region", { name: "Cloud-init script" }).waitFor();
    });
    await path(page, "hosts add closes into the host that arrives", async () => {
      await page.waitForURL(/\/hosts\/new-\d+$/);
      await heading(page, /^new-\d+$/);
    });
  }

  /** Changes, once, in the first view. */
  async function acts(page, host) {
    await path(page, "host tagged", async () => {
      await go(page, `/hosts/${host}`);
      await page.getByRole("button", { name: "Edit" }).click();
      await page.getByLabel("Region", { exact: true }).fill("browser-1");
      await page.getByLabel("Tags", { exact: true }).fill("role=web tried=yes");
      await page.getByRole("button", { name: "Save" }).click();
      await page.getByText("tried=yes").first().waitFor();
      await page.getByText("browser-1").first().waitFor();
    });
    await path(page, "hosts filtered by tag and region", async () => {
      await go(page, "/hosts");
      await page.locator("[data-filter]").fill("tag:tried=yes tag:role=web region:browser-1");
      await page.keyboard.press("Enter");
      await page.waitForURL(/tag=tried%3Dyes&tag=role%3Dweb/);
      await page.getByRole("link", { name: host, exact: true }).waitFor();
      await page.getByRole("button", { name: "Remove filter tag role=web" }).click();
      await page.waitForURL((url) => url.searchParams.getAll("tag").length === 1);
    });
    await path(page, "user made, changed, disabled and enabled", async () => {
      await go(page, "/users?show=add");
      await dialog(page).getByLabel("Name").fill("browser-user");
      await dialog(page).getByRole("button", { name: "Add a user" }).click();
      await dialog(page).getByText(/welcome#.+&name=browser-user/).waitFor();
      await dialog(page).getByRole("button", { name: "Close" }).last().click();
      await userAct(page, "Change role…");
      await dialog(page).getByLabel("Role").selectOption("operator");
      await dialog(page).getByRole("button", { name: "Change the role" }).click();
      await page.getByText("browser-user is operator now").waitFor();
      await userAct(page, "Disable…");
      await dialog(page).getByRole("button", { name: "Disable this user" }).click();
      await page.getByText("browser-user is disabled").waitFor();
      await userAct(page, "Enable");
      await page.getByText("browser-user is enabled").waitFor();
    });
    await path(page, "a new password link is shown once", async () => {
      await userAct(page, "New password link…");
      await dialog(page).getByRole("button", { name: "Make the link" }).click();
      await dialog(page).getByText(/welcome#.+&name=browser-user/).waitFor();
    });
    await path(page, "the last administrator is kept, and it says why", async () => {
      await go(page, "/users");
      await page.getByRole("button", { name: `Actions for ${name}` }).click();
      await page.getByRole("menuitem", { name: /^Disable…/ }).getByText(/last/).waitFor();
    });
    if (!mock) await join(page);
    await path(page, "a join token is deleted", async () => {
      await go(page, "/join-tokens");
      const button = page.getByRole("button", { name: /^Delete the join token/ }).first();
      const label = await button.getAttribute("aria-label");
      await button.click();
      await dialog(page).getByRole("button", { name: label, exact: true }).click();
      await dialog(page).waitFor({ state: "hidden" });
    });
    await path(page, "a wrong present password changes nothing", async () => {
      await go(page, "/account");
      await page.getByRole("textbox", { name: "Present password" }).fill("not the password");
      await page.getByRole("textbox", { name: "New password", exact: true }).fill("Another-9-staple-Xq");
      await page.getByRole("textbox", { name: "New password again" }).fill("Another-9-staple-Xq");
      await page.getByRole("button", { name: "Change the password" }).click();
      await page.getByRole("alert").waitFor();
    }, { status: [400, 401, 403] });
    if (!mock) return;
    await path(page, "a session is ended", async () => {
      await go(page, "/account");
      await page.getByRole("button", { name: "End the session from 203.0.113.77" }).click();
      await page.getByRole("cell", { name: "203.0.113.77", exact: true }).waitFor({ state: "hidden" });
    });
    await path(page, "all other sessions are ended", async () => {
      await page.getByRole("button", { name: "End all others" }).click();
      await page.getByRole("cell", { name: "2001:db8::4", exact: true }).waitFor({ state: "hidden" });
    });
    await path(page, "a second factor that was lost is taken away", async () => {
      await go(page, "/users");
      await page.getByRole("button", { name: "Actions for operator-2" }).click();
      await page.getByRole("menuitem", { name: "Take second factor away…" }).click();
      await dialog(page).getByRole("button", { name: "Take it away" }).click();
      await page.getByText("operator-2 has no second factor any more").waitFor();
    });
    await path(page, "a certificate is revoked with name and reason", async () => {
      await go(page, "/hosts/web-9");
      await page.getByRole("button", { name: "Revoke…" }).click();
      await dialog(page).getByRole("button", { name: "Revoke the certificate" }).click();
      await dialog(page).getByText("A reason is needed.").waitFor();
      await dialog(page).getByLabel("Why").fill("tried by the browser test");
      await dialog(page).getByLabel("Type web-9 to go on").fill("web-9");
      await dialog(page).getByRole("button", { name: "Revoke the certificate" }).click();
      await page.getByText("was withdrawn").waitFor();
    });
    await path(page, "a host is retired and leaves the list", async () => {
      await go(page, "/hosts/web-8");
      await page.getByRole("button", { name: "Retire…" }).click();
      await dialog(page).getByLabel("Type web-8 to go on").fill("web-8");
      await dialog(page).getByRole("button", { name: "Retire this host" }).click();
      await page.getByText("This host was taken out of service.").waitFor();
      await go(page, "/hosts?q=web-8");
      await page.getByText("No host matches this filter.").waitFor();
    });
  }

  async function userAct(page, item) {
    await page.getByRole("button", { name: "Actions for browser-user" }).click();
    await page.getByRole("menuitem", { name: item }).click();
  }

  /** The second factor: on, used, off. */
  async function secondFactor(page, signOut) {
    let secret = "";
    let recovery = "";
    await path(page, "second factor is set up", async () => {
      await go(page, "/account");
      await page.getByRole("button", { name: "Set up" }).click();
      await page.getByRole("img", { name: /^QR code/ }).waitFor();
      secret = (await page.locator("form pre").innerText()).trim();
    });
    await path(page, "second factor refuses a wrong code", async () => {
      await page.getByRole("textbox", { name: "Code" }).fill(totp(secret, 400));
      await page.getByRole("button", { name: "Confirm the code" }).click();
      await page.getByRole("alert").waitFor();
    }, { status: [400, 401, 403, 422] });
    await path(page, "second factor shows its recovery codes", async () => {
      await page.getByRole("textbox", { name: "Code" }).fill(totp(secret));
      await page.getByRole("button", { name: "Confirm the code" }).click();
      await page.getByText("They are shown only now.").waitFor();
      recovery = (await page.locator('[role="status"] pre').innerText()).trim().split("\n")[0];
    });
    await path(page, "second factor is on", async () => {
      await page.getByRole("button", { name: "I have kept them" }).click();
      await page.getByRole("button", { name: "Switch off…" }).waitFor();
    });
    await signOut("sign out with a second factor on");
    await path(page, "sign-in asks for the code", async () => {
      await page.getByLabel("Name").fill(name);
      await page.getByRole("textbox", { name: "Password", exact: true }).fill(password);
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.getByRole("textbox", { name: "Code" }).waitFor();
    }, { status: [401] });
    await path(page, "sign-in with the code", async () => {
      // a code works once: the next one is taken already
      await page.getByRole("textbox", { name: "Code" }).fill(totp(secret, 1));
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.getByRole("navigation", { name: "Breadcrumb" }).waitFor();
    }, { status: [401] });
    await path(page, "second factor is switched off with a recovery code", async () => {
      await go(page, "/account");
      await page.getByRole("button", { name: "Switch off…" }).click();
      await dialog(page).getByRole("textbox", { name: "Password" }).fill(password);
      await dialog(page).getByLabel("Code, or a recovery code").fill(recovery);
      await dialog(page).getByRole("button", { name: "Switch it off" }).click();
      await page.getByRole("button", { name: "Set up" }).waitFor();
    });
  }

  /** What a viewer may not do is shown with its reason. */
  async function asViewer(page) {
    if (!mock) return;
    await path(page, "a viewer signs in", async () => {
      await go(page, "/sign-in");
      await page.getByLabel("Name").fill("viewer");
      await page.getByRole("textbox", { name: "Password", exact: true }).fill(password);
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.getByRole("button", { name: "Account of viewer" }).waitFor();
    }, { status: [401] });
    for (const [address, button] of [["/hosts", "Add a host"], ["/users", "Add a user"], ["/join-tokens", "Add a host"], ["/tokens", "Make a token"]]) {
      await path(page, `a viewer reads why not: ${address}`, async () => {
        await go(page, address);
        await page.getByRole("button", { name: button }).first().focus();
        await page.getByRole("tooltip", { name: "needs role admin" }).waitFor();
      }, { status: [403] });
    }
    await path(page, "a viewer cannot make a command by its address", async () => {
      await go(page, "/hosts?show=add");
      await dialog(page).getByRole("button", { name: "Make the command" }).click({ force: true });
      if ((await dialog(page).getByText("palisade agent --join").count()) > 0) throw new Error("a command was made");
    });
  }

  return { looks, acts, secondFactor, asViewer };
}
