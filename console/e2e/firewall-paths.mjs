// Paths of the firewall guard: groups, lists, policies, exposure, hits, bans, the tab of a host.
// On a real server they stand on what `seed.mjs` made; what needs a fleet runs against the mock alone.

export function firewallPaths({ path, go, heading, table, mock }) {
  const dialog = (page) => page.getByRole("dialog");
  const draftBar = (page) => page.getByRole("region", { name: "Draft", exact: true });
  const field = (page, name) => page.getByRole("form").getByLabel(name, { exact: true });

  /** Every page as it opens: run in each view. */
  async function looks(page, host) {
    for (const [address, title] of [["/firewall/groups", "Security groups"], ["/firewall/lists", "Prefix lists"], ["/firewall/policies", "Port policies"], ["/firewall/exposure", "Exposure"], ["/firewall/hits", "Hits"], ["/firewall/hits?view=unused", "Hits"], ["/firewall/hits?view=denied", "Hits"], ["/firewall/bans", "Bans"]]) {
      await path(page, `page ${address}`, async () => {
        await go(page, address);
        await heading(page, title);
        await page.getByRole("navigation", { name: "Firewall" }).locator('[aria-current="page"]').waitFor();
      });
    }
    for (const tab of ["in", "out", "members"]) {
      await path(page, `group ${tab}`, async () => {
        await go(page, `/firewall/groups/web?tab=${tab}`);
        await heading(page, "web");
        if (tab === "members") await page.getByLabel("Tags", { exact: true }).waitFor();
        else await table(page, tab === "in" ? "Inbound" : "Outbound").waitFor();
      });
    }
    await path(page, "a rule is edited where it stands", async () => {
      await go(page, "/firewall/groups/web");
      await page.getByRole("button", { name: /change rule ssh/ }).press("Enter");
      await field(page, "Ports").waitFor();
    });
    await path(page, "a draft with its bar and a verdict", async () => {
      // Not what `acts` has saved before: that would be no change.
      await field(page, "From").fill("203.0.113.0/24");
      await field(page, "From").press("Enter");
      await draftBar(page).getByText(/1 change/).waitFor();
      await page.getByLabel("Packet").fill(mock ? "tcp 203.0.113.77 -> web-1:22" : `tcp 203.0.113.77:40000 -> ${host}:22`);
      await page.getByText("now", { exact: true }).waitFor();
      await page.getByText("draft", { exact: true }).waitFor();
    });
    await path(page, "plan preview of a draft", async () => {
      await draftBar(page).getByRole("button", { name: "Preview plan" }).click();
      await dialog(page).locator("[data-plan-preview]").waitFor();
    });
    await path(page, "a draft is discarded", async () => {
      await dialog(page).getByRole("button", { name: "Back" }).click();
      await dialog(page).waitFor({ state: "hidden" });
      await draftBar(page).getByRole("button", { name: "Discard" }).click();
      await draftBar(page).waitFor({ state: "hidden" });
    });
    await path(page, "group as YAML", async () => {
      await go(page, "/firewall/groups/web?show=yaml");
      await dialog(page).getByText("kind: SecurityGroup").waitFor();
    });
    await path(page, "group that does not exist", async () => {
      await go(page, "/firewall/groups/no-such-group");
      await page.getByText("No security group is called no-such-group.").waitFor();
    }, { status: [404] });
    for (const [address, title] of [["/firewall/groups?show=add", "Make a group"], ["/firewall/lists?show=add", "Make a list"], ["/firewall/lists/office", "Prefix list office"], ["/firewall/bans?show=import", "Import bans"], ["/firewall/policies?show=add", "Make a policy"]]) {
      await path(page, `form ${title}`, async () => {
        await go(page, address);
        await page.getByRole("dialog", { name: title }).waitFor();
      });
    }
    await path(page, "port policy with its exceptions", async () => {
      await go(page, "/firewall/policies/base");
      await page.getByRole("group", { name: "Exception 1" }).waitFor();
    });
    await path(page, "the host's firewall", async () => {
      await go(page, `/hosts/${host}/firewall`);
      await page.getByRole("region", { name: "Effective rules" }).waitFor();
      await page.getByRole("region", { name: "Listeners" }).waitFor();
    });
    await path(page, "isolating asks for the name", async () => {
      await page.getByRole("button", { name: "Isolate…" }).click();
      await dialog(page).getByRole("button", { name: "Isolate", exact: true }).click();
      await dialog(page).getByText("This is not the name.").waitFor();
      // The one host of a real server is the server's own, which cannot be cut off.
      if (mock) await dialog(page).locator("[data-plan-preview]").waitFor();
      else await dialog(page).getByText("is the host that this server runs on").waitFor();
    }, { status: [409] });
    if (mock) await mockLooks(page);
  }

  async function mockLooks(page) {
    const narrow = (page.viewportSize()?.width ?? 1440) < 768;
    await path(page, "a cell of the matrix", async () => {
      await go(page, "/firewall/exposure?show=web-1/tcp/443");
      await page.getByRole("dialog", { name: "web-1 tcp/443" }).getByText("web/web").waitFor();
    });
    await path(page, "exposure filtered to nothing", async () => {
      await go(page, "/firewall/exposure?q=nobody-has-this-name");
      await page.getByText("No host matches this filter.").waitFor();
    });
    if (narrow) return;
    await path(page, "the matrix is walked by keys", async () => {
      await go(page, "/firewall/exposure");
      await page.getByRole("rowheader").first().focus();
      for (const key of ["ArrowDown", "ArrowRight", "ArrowRight", "End"]) await page.keyboard.press(key);
      const at = await page.evaluate(() => document.activeElement?.getAttribute("data-at"));
      if (at !== "1,13") throw new Error(`the focus is at ${at}`);
      await page.keyboard.press("Enter");
      await dialog(page).waitFor();
      await page.keyboard.press("Escape");
      await dialog(page).waitFor({ state: "hidden" });
    });
  }

  /** What changes something: once. */
  async function acts(page, host) {
    await path(page, "a rule that is wrong says so at its field", async () => {
      await go(page, "/firewall/groups/web");
      await page.getByRole("button", { name: "Add a rule" }).click();
      await field(page, "Ports").fill("90-80");
      await field(page, "Ports").press("Enter");
      await page.getByText("Ports such as 22 or 8000-8080, between commas.").waitFor();
      await page.getByText("At least one peer is needed.").waitFor();
    });
    await path(page, "Esc leaves a rule as it was", async () => {
      await field(page, "Ports").press("Escape");
      await page.getByRole("form").waitFor({ state: "hidden" });
      await draftBar(page).waitFor({ state: "hidden" });
    });
    await path(page, "what the server refuses stands at the rule", async () => {
      await page.getByRole("button", { name: "Add a rule" }).click();
      await field(page, "Ports").fill("8443");
      await field(page, "From").fill("10.0.0.1/8");
      await field(page, "From").press("Enter");
      await draftBar(page).getByText(/The draft is refused/).waitFor();
    }, { status: [400, 422] });
    await path(page, "it is mended, duplicated, moved and switched off", async () => {
      await page.getByRole("button", { name: /change rule in allow tcp 8443/ }).click();
      await field(page, "From").fill("10.0.0.0/8");
      await field(page, "From").press("Enter");
      const row = page.getByRole("button", { name: /change rule in allow tcp 8443/ });
      await row.press("Alt+ArrowUp");
      await page.getByText(/Now at priority/).waitFor();
      await page.getByRole("button", { name: "More for rule web" }).click();
      await page.getByRole("menuitem", { name: "Duplicate" }).click();
      await page.getByRole("button", { name: "More for rule web" }).click();
      await page.getByRole("menuitem", { name: "Switch off" }).click();
      await page.getByRole("button", { name: "More for rule ssh" }).click();
      await page.getByRole("menuitem", { name: "Remove" }).click();
      await draftBar(page).getByText(/changes/).waitFor();
    });
    await path(page, "a draft outlives a reload", async () => {
      await page.reload();
      await draftBar(page).getByText(/changes/).waitFor();
      await draftBar(page).getByRole("button", { name: "Discard" }).click();
      await draftBar(page).waitFor({ state: "hidden" });
    });
    await path(page, "opening to the world has its own check box", async () => {
      await page.getByRole("button", { name: /change rule ssh/ }).click();
      await field(page, "From").fill("any, 198.51.100.7");
      await field(page, "From").press("Enter");
      await draftBar(page).getByRole("button", { name: "Preview plan" }).click();
      await dialog(page).locator("[data-plan-preview]").waitFor();
      if (!mock) return;
      if (await dialog(page).getByRole("button", { name: /Apply on probation/ }).isEnabled()) throw new Error("it can be applied without the check");
      await dialog(page).getByLabel("I mean to open this to the whole world").check();
    });
    await path(page, "a change is applied on probation", async () => {
      // On a real server no host is in the group, and what changes no host is not tried.
      await dialog(page).getByRole("button", { name: mock ? /Apply on probation/ : "Apply", exact: !mock }).click();
      await dialog(page).waitFor({ state: "hidden" });
      await draftBar(page).waitFor({ state: "hidden" });
      if (!mock) return;
      await page.getByText("Change the group web").first().waitFor();
      const keep = page.getByRole("button", { name: "Keep", exact: true, disabled: false });
      await keep.click();
      await keep.waitFor({ state: "hidden" });
    });
    await path(page, "a group is made as a draft", async () => {
      await go(page, "/firewall/groups?show=add");
      await dialog(page).getByLabel("Name").fill("made-group");
      await dialog(page).getByRole("button", { name: "Begin a draft" }).click();
      await heading(page, "made-group");
      await page.getByRole("button", { name: "Add a rule" }).click();
      await field(page, "Ports").fill("443");
      await field(page, "From").fill("list:office");
      await field(page, "From").press("Enter");
      await draftBar(page).getByRole("button", { name: "Preview plan" }).click();
      await dialog(page).locator("[data-plan-preview]").waitFor();
      await dialog(page).getByRole("button", { name: /Apply/ }).click();
      await dialog(page).waitFor({ state: "hidden" });
      await page.getByRole("link", { name: "As YAML" }).waitFor();
    }, { status: [404] });
    await path(page, "a group is deleted, the plan first", async () => {
      await page.getByRole("link", { name: "As YAML" }).click();
      await dialog(page).getByRole("button", { name: "Delete…" }).click();
      await dialog(page).locator("[data-plan-preview]").waitFor();
      await dialog(page).getByRole("button", { name: /^Delete/ }).click();
      await heading(page, "Security groups");
    }, { status: [404] });
    await path(page, "a prefix list is made", async () => {
      await go(page, "/firewall/lists?show=add");
      await dialog(page).getByLabel("Name").fill("made-list");
      await dialog(page).getByLabel(/^Networks/).fill("198.51.100.0/24 # one\n2001:db8::/32");
      await dialog(page).getByText("Networks: 2 networks").waitFor();
      await dialog(page).getByRole("button", { name: "Preview plan" }).click();
      await dialog(page).locator("[data-plan-preview]").waitFor();
      await dialog(page).getByRole("button", { name: /Apply/ }).click();
      await table(page, "Prefix lists").getByText("made-list").waitFor();
    });
    await path(page, "an exception without a reason is not sent", async () => {
      await go(page, "/firewall/policies/base");
      await page.getByRole("button", { name: "Add an exception" }).click();
      await page.getByRole("button", { name: "Preview plan" }).click();
      await page.getByText("A reason is needed.").waitFor();
    });
    await path(page, "bans are imported", async () => {
      await go(page, "/firewall/bans?show=import");
      await dialog(page).getByLabel(/^Addresses/).fill("203.0.113.201 12h scanner\nnot-an-address");
      await dialog(page).getByRole("button", { name: "Preview" }).click();
      await dialog(page).getByText(/1 address would be banned/).waitFor();
      await dialog(page).getByRole("button", { name: "Ban 1 address" }).click();
      await page.getByRole("cell", { name: "203.0.113.201", exact: true }).waitFor();
    });
    await path(page, "why an address is blocked", async () => {
      const box = page.getByRole("search", { name: "Why is an address blocked?" });
      await box.getByLabel("Address").fill("203.0.113.201");
      await box.getByLabel("On host").fill(mock ? "web-1" : host);
      await box.getByRole("button", { name: "Ask" }).click();
      await page.getByText("203.0.113.201 is banned by").waitFor();
      if (!mock) await page.getByText("denied because the address is banned").waitFor();
      if (!page.url().includes("why=203.0.113.201")) throw new Error("the question is not in the address");
    });
    if (mock) {
      await path(page, "a port is closed from its cell", async () => {
        await go(page, "/firewall/exposure?show=web-1/tcp/443");
        await dialog(page).getByRole("button", { name: "Close it…" }).click();
        await heading(page, "web");
        await draftBar(page).getByText("1 change", { exact: false }).waitFor();
        await draftBar(page).getByRole("button", { name: "Discard" }).click();
      });
      await path(page, "a host is isolated and released", async () => {
        await go(page, "/hosts/web-5/firewall");
        await page.getByRole("button", { name: "Isolate…" }).click();
        await dialog(page).getByLabel("Why it is isolated").fill("tried by the browser test");
        await dialog(page).getByLabel("Type web-5 to go on").fill("web-5");
        await dialog(page).getByRole("button", { name: "Isolate", exact: true }).click();
        await page.getByText("isolated", { exact: true }).first().waitFor();
        await page.getByRole("button", { name: "Release…" }).click();
        await dialog(page).getByLabel("Type web-5 to go on").fill("web-5");
        await dialog(page).getByRole("button", { name: "Release", exact: true }).click();
        await page.getByRole("button", { name: "Isolate…" }).waitFor();
      });
    }
  }

  return { looks, acts };
}
