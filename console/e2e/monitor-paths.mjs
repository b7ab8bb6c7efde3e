// Paths of the monitor guard: dashboards, alarms, rules with their back-test, channels, probes.
// On a real server they stand on what `seed.mjs` made; what takes days or a fleet runs against the mock alone.

/** What the same path finds on the mock and on the server. */
const MOCKED = { rule: "disk-full", metric: "disk_used_ratio", ended: "cpu-busy", taken: "taken", up: "shop", waiting: /^Try again: .*web-9/, state: "dead" };
const SEEDED = { rule: "memory-any", metric: "memory_used_ratio", ended: "sleeper-runs", taken: "cpu-busy", up: "console", waiting: /^Try again: .*memory_used_ratio/, state: "waiting" };

export function monitorPaths({ path, go, heading, table, mock }) {
  const known = mock ? MOCKED : SEEDED;
  const dialog = (page) => page.getByRole("dialog");
  const chart = (page, name) => page.getByRole("region", { name, exact: true });

  /** Every page as it opens: run in each view. */
  async function looks(page, host) {
    for (const [board, region] of [["host", "CPU"], ["processes", "Top processes"], ["disks", "Disk used"], ["network", "Network in"]]) {
      await path(page, `dashboard ${board}`, async () => {
        await go(page, `/monitor/dashboards/${board}?host=${host}`);
        await heading(page, "Dashboards");
        await chart(page, region).waitFor();
      });
    }
    await path(page, "dashboard compare without hosts", async () => {
      await go(page, "/monitor/dashboards/compare");
      await page.getByText("Choose two to eight hosts").waitFor();
    });
    await path(page, "dashboard fleet", async () => {
      await go(page, "/monitor/dashboards/fleet");
      await chart(page, "CPU").waitFor();
    });
    await path(page, "dashboard of no name", async () => {
      await go(page, "/monitor/dashboards/nothing");
      await heading(page, "No such page");
    });
    await path(page, "chart as table", async () => {
      await go(page, `/monitor/dashboards/host?host=${host}`);
      await page.getByRole("button", { name: "Options of CPU", exact: true }).click();
      await page.getByRole("menuitem", { name: "As table" }).click();
      await page.getByRole("region", { name: "CPU: As table" }).waitFor();
    });
    for (const [address, title] of [["/monitor/alarms", "Alarms"], ["/monitor/rules", "Rules"], ["/monitor/silences", "Silences"], ["/monitor/channels", "Channels"], ["/monitor/deliveries", "Deliveries"], ["/monitor/probes", "Probes"], ["/monitor/sampling", "Sampling"]]) {
      await path(page, `page ${address}`, async () => {
        await go(page, address);
        await heading(page, title);
        await page.getByRole("navigation", { name: "Monitor" }).locator('[aria-current="page"]').getByText(title).waitFor();
      });
    }
    await path(page, "rule editor", async () => {
      await go(page, "/monitor/rules?show=add&metric=cpu_usage_ratio");
      await heading(page, "New rule");
      await page.getByRole("region", { name: "What it would have done" }).getByText(/would (not )?have fired/).waitFor();
    });
    await path(page, "rule that does not exist", async () => {
      await go(page, "/monitor/rules/no-such-rule");
      await page.getByText("No alarm rule is called no-such-rule.").waitFor();
    });
    for (const [address, title] of [["/monitor/silences?show=add", "Add a silence"], ["/monitor/channels?show=add", "Add a channel"], ["/monitor/probes?show=add", "Add a probe"]]) {
      await path(page, `form ${title}`, async () => {
        await go(page, address);
        await dialog(page).getByRole("button", { name: "Preview" }).click();
        await dialog(page).getByText("A name is needed.").waitFor();
      });
    }
    await path(page, "alarms filtered to nothing", async () => {
      await go(page, "/monitor/alarms?host=nobody-has-this-name");
      await page.getByText("No alarm matches this filter.").waitFor();
    });
    await path(page, "alarm with its cause", async () => {
      await go(page, `/monitor/alarms?rule=${known.rule}&state=firing`);
      await page.locator("[data-row]").first().press("Enter");
      await dialog(page).getByText(/\(pid \d+.*\) (wrote|held|used|read)/).waitFor();
      await dialog(page).getByText(/503/).waitFor();
      await dialog(page).getByRole("region", { name: known.metric }).locator("canvas").waitFor();
      await dialog(page).getByRole("heading", { level: 2, name: "History" }).waitFor();
    });
    await path(page, "alarms that are over", async () => {
      await go(page, "/monitor/alarms?state=resolved");
      await table(page, "Alarms").getByText(known.ended).first().waitFor();
    });
    await path(page, "agentless set-up", async () => {
      await go(page, "/monitor/probes?show=agentless&host=nas-1");
      await dialog(page).getByText("restrict,command=").waitFor();
    });
    if (mock) await mockLooks(page);
  }

  async function mockLooks(page) {
    await path(page, "firing without data is said", async () => {
      await go(page, "/monitor/alarms?show=a-3");
      await dialog(page).getByText("fires until real samples are in the clear range").waitFor();
    });
    await path(page, "compare three hosts", async () => {
      await go(page, "/monitor/dashboards/compare?host=web-1&host=db-2&host=cache-1");
      await page.getByRole("table", { name: "CPU: series" }).getByText("db-2").waitFor();
      await chart(page, "CPU").locator("canvas").waitFor();
    });
    await path(page, "a rollup says its band", async () => {
      await go(page, "/monitor/dashboards/host?host=web-1&range=7d");
      await page.getByText("30 min avg, band min–max").first().waitFor();
    });
    await path(page, "a silent host says so above its charts", async () => {
      await go(page, "/monitor/dashboards/host?host=mail-2");
      await page.getByText("the charts end where it fell silent").waitFor();
    });
  }

  /** A form filled in, previewed, applied. */
  async function saved(page, fields) {
    for (const [label, value] of Object.entries(fields)) await dialog(page).getByLabel(label, { exact: true }).fill(value);
    await dialog(page).getByRole("button", { name: "Preview" }).click();
    await dialog(page).locator("[data-plan-preview]").waitFor();
    await dialog(page).getByRole("button", { name: "Apply", exact: true }).click();
    await dialog(page).waitFor({ state: "hidden" });
  }

  /** Removed from its form: the plan first. */
  async function deleted(page, name) {
    await page.getByRole("link", { name: `Change ${name}`, exact: true }).click();
    await dialog(page).getByRole("button", { name: "Delete…" }).click();
    await dialog(page).locator("[data-plan-preview]").waitFor();
    await dialog(page).getByRole("button", { name: "Delete", exact: true }).click();
    await page.getByText(`${name} is deleted`).waitFor();
    await page.getByRole("link", { name: `Change ${name}`, exact: true }).waitFor({ state: "hidden" });
  }

  /** What only the server does: the mock keeps no resources. */
  async function serverActs(page) {
    for (const [what, address, fields] of [
      ["channel", "/monitor/channels?show=add", { URL: "https://hook.example.org/x" }],
      ["policy", "/monitor/channels?show=policy%20", { Channels: "desk", "Only from": "08:00", Until: "20:00", "If nobody acknowledges": "15m pager, 1h desk" }],
      ["silence", "/monitor/silences?show=add", { Reason: "tried by the browser test" }],
      ["probe", "/monitor/probes?show=add", { Target: "https://www.example.org/" }],
      ["interval", "/monitor/sampling?show=Sampling%20", { Every: "20s" }],
      ["watch", "/monitor/sampling?show=ProcessWatch%20", { "systemd unit": "nginx.service" }],
    ]) {
      await path(page, `a ${what} is made by its form`, async () => {
        await go(page, address);
        await saved(page, { Name: `made-${what}`, ...fields });
        await page.getByRole("link", { name: `Change made-${what}` }).waitFor();
      });
      await path(page, `the form of a ${what} holds what was saved`, async () => {
        await page.getByRole("link", { name: `Change made-${what}` }).click();
        for (const [label, value] of Object.entries(fields)) {
          const stands = await dialog(page).getByLabel(label, { exact: true }).inputValue();
          if (stands !== value) throw new Error(`${label} is ${stands}`);
        }
        await page.keyboard.press("Escape");
        await dialog(page).waitFor({ state: "hidden" });
      });
      await path(page, `a ${what} is deleted, the plan first`, async () => deleted(page, `made-${what}`));
    }
    await path(page, "a test arrives", async () => {
      await go(page, "/monitor/channels");
      await page.getByRole("button", { name: "Send a test to desk" }).click();
      await page.getByText("desk took the test").waitFor();
    });
  }

  /** What changes something: once. */
  async function acts(page, host) {
    await path(page, "hosts are chosen and compared", async () => {
      await go(page, "/hosts");
      for (const name of [host, mock ? "db-2" : "nas-1"]) await page.getByRole("checkbox", { name: `Choose ${name} to compare` }).check();
      await page.getByRole("link", { name: "Compare 2" }).click();
      await chart(page, "CPU").waitFor();
    });
    await path(page, "zoom by dragging, and Back undoes it", async () => {
      await go(page, `/monitor/dashboards/host?host=${host}`);
      const over = chart(page, "CPU").locator(".u-over");
      await over.waitFor();
      const box = await over.boundingBox();
      await page.mouse.move(box.x + box.width * 0.3, box.y + 40);
      await page.mouse.down();
      await page.mouse.move(box.x + box.width * 0.6, box.y + 40, { steps: 5 });
      await page.mouse.up();
      await page.waitForURL(/from=\d+&to=\d+/);
      await page.goBack();
      await page.waitForURL((url) => !url.search.includes("from="));
    });
    await path(page, "moving by the buttons", async () => {
      await page.getByRole("button", { name: "Earlier", exact: true }).click();
      await page.waitForURL(/from=\d+/);
    });
    await path(page, "a click on a chart shows the processes of that minute", async () => {
      await go(page, `/monitor/dashboards/host?host=${host}`);
      const over = chart(page, "CPU").locator(".u-over");
      await over.waitFor();
      const box = await over.boundingBox();
      await page.mouse.click(box.x + box.width * 0.5, box.y + 40);
      await page.waitForURL(/at=\d+/);
      await page.getByRole("heading", { level: 2, name: /^Processes at/ }).waitFor();
      await page.getByRole("button", { name: "Now", exact: true }).click();
      await page.getByRole("heading", { level: 2, name: "Processes now" }).waitFor();
      // Half under the top bar, a small target would look too small.
      await page.evaluate(() => window.scrollTo(0, 0));
    });
    await path(page, "a chart leads to a rule about its metric", async () => {
      await go(page, `/monitor/dashboards/host?host=${host}`);
      await page.getByRole("button", { name: "Options of Memory used", exact: true }).click();
      await page.getByRole("menuitem", { name: "As alarm…" }).click();
      await heading(page, "New rule");
      if ((await page.getByLabel("Metric").inputValue()) !== "memory_used_ratio") throw new Error("the metric does not come along");
    });
    await path(page, "an incomplete rule says what is missing", async () => {
      await page.getByLabel("Threshold").fill("");
      await page.getByRole("button", { name: "Preview" }).click();
      await page.getByRole("alert").getByText("The threshold must be a number.").waitFor();
    });
    await path(page, "a rule is tried, previewed and saved", async () => {
      await page.getByLabel("Name", { exact: true }).fill("browser-test");
      await page.getByLabel("Threshold").fill("99.5");
      await page.getByRole("region", { name: "What it would have done" }).getByText(/would (not )?have fired/).waitFor();
      await page.getByRole("button", { name: "Preview" }).click();
      await dialog(page).locator("[data-plan-preview]").waitFor();
      await dialog(page).getByRole("button", { name: "Apply", exact: true }).click();
      await table(page, "Rules").getByRole("link", { name: "browser-test" }).waitFor();
    });
    await path(page, "a rule is changed and deleted", async () => {
      await table(page, "Rules").getByRole("link", { name: "browser-test" }).click();
      await heading(page, "browser-test");
      await page.getByRole("button", { name: "Delete" }).click();
      await page.getByText("browser-test is deleted").waitFor();
    });
    await path(page, "the basic rules go on and off", async () => {
      await go(page, "/monitor/rules");
      const off = page.getByRole("button", { name: "Switch the basic rules off" });
      const on = page.getByRole("button", { name: "Switch the basic rules on" });
      await on.or(off).waitFor();
      if (await off.isVisible()) await off.click();
      await on.click();
      await off.waitFor();
    });
    await path(page, "a silence is made and ended", async () => {
      await go(page, "/monitor/silences?show=add");
      await dialog(page).getByLabel("Name").fill("browser-silence");
      await dialog(page).getByLabel("Reason").fill("tried by the browser test");
      await dialog(page).getByRole("button", { name: "Preview" }).click();
      await dialog(page).locator("[data-plan-preview]").waitFor();
      await dialog(page).getByRole("button", { name: "Apply", exact: true }).click();
      await page.getByRole("button", { name: "End the silence browser-silence" }).click();
      await page.getByText("browser-silence has ended").waitFor();
    });
    await path(page, "a secret is set and deleted", async () => {
      await go(page, "/monitor/channels");
      await page.getByLabel("Name", { exact: true }).fill("browser-secret");
      await page.getByRole("textbox", { name: "Value" }).fill("not shown again");
      await page.getByRole("button", { name: "Set a secret" }).click();
      await page.getByRole("button", { name: "Delete the secret browser-secret" }).click();
      await page.getByText("browser-secret is deleted").waitFor();
    });
    await path(page, "another's version is shown beside mine", async () => {
      await go(page, "/monitor/rules?show=add");
      await page.getByLabel("Name", { exact: true }).fill(known.taken);
      await page.getByLabel("Threshold").fill("91");
      await page.getByRole("button", { name: "Preview" }).click();
      await dialog(page).getByText("saved another version since you opened this.", { exact: false }).waitFor();
    }, { status: [409] });
    await path(page, "an alarm is acknowledged, and that can be undone", async () => {
      await go(page, `/monitor/alarms?rule=${known.rule}&state=firing`);
      await page.locator("[data-row]").first().press("Enter");
      await dialog(page).getByRole("button", { name: "Acknowledge…" }).click();
      await dialog(page).getByLabel("Note (optional)").fill("looking");
      await dialog(page).getByRole("button", { name: "Acknowledge", exact: true }).click();
      await dialog(page).getByText("seen by admin").waitFor();
      await dialog(page).getByRole("button", { name: "Take back the acknowledgement" }).click();
      await dialog(page).getByRole("button", { name: "Acknowledge…" }).waitFor();
    });
    await path(page, "silencing asks for a reason", async () => {
      await dialog(page).getByRole("button", { name: "Silence…" }).click();
      await dialog(page).getByRole("button", { name: "Silence", exact: true }).click();
      await dialog(page).getByText("A reason is needed.").waitFor();
    });
    await path(page, "closing the alarm gives the focus back", async () => {
      await go(page, "/monitor/alarms");
      await page.locator("[data-row]").first().press("Enter");
      await dialog(page).waitFor();
      await page.keyboard.press("Escape");
      await dialog(page).waitFor({ state: "hidden" });
      await page.waitForFunction(() => document.activeElement?.hasAttribute("data-row"), undefined, { timeout: 3_000 });
    });
    await path(page, "a test shows the receiver's answer", async () => {
      await go(page, "/monitor/channels");
      await page.getByRole("button", { name: "Send a test to pager" }).click();
      await page.getByText("pager did not take the test").waitFor();
      await page.getByText("retry later", { exact: false }).first().waitFor();
    });
    await path(page, "a delivery is tried again", async () => {
      await go(page, `/monitor/deliveries?state=${known.state}`);
      await page.getByRole("button", { name: known.waiting }).first().click();
      await page.getByText("It is tried again").waitFor();
    });
    await path(page, "a probe is run now", async () => {
      await go(page, "/monitor/probes");
      await page.getByRole("button", { name: `Run now: ${known.up}` }).click();
      await page.getByText(`${known.up} is up`).waitFor();
    });
    if (mock) await mockActs(page);
    else await serverActs(page);
  }

  async function mockActs(page) {
    await path(page, "the back-test offers a quieter threshold", async () => {
      await go(page, "/monitor/rules/cpu-busy");
      await page.getByText("would have fired 14 times").waitFor();
      await page.getByRole("button", { name: "Use 95" }).click();
      await page.getByText("would have fired 4 times").waitFor();
      if ((await page.getByLabel("Threshold").inputValue()) !== "95") throw new Error("the threshold is not taken over");
    });
    await path(page, "the key of an agentless host is pinned", async () => {
      await go(page, "/monitor/probes?show=agentless&host=nas-1");
      await dialog(page).getByRole("button", { name: "This is its key: pin it" }).click();
      await page.getByText("The key of nas-1 is pinned").waitFor();
    });
  }

  return { looks, acts };
}
