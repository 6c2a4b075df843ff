// The HTML review in headless Chromium: `make test-browser`. PAGES is the folder that tests.browser.pages wrote.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";

import { openBrowser, openPage } from "./browser.js";

const PAGES = resolve(process.env.PAGES ?? "pages");
const FILES = readdirSync(PAGES).filter((name) => name.endsWith(".html"));
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const DESKTOP = { viewport: { width: 1280, height: 900 } };
const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };

let browser;
before(async () => { browser = await openBrowser(); });
after(async () => { await browser.close(); });

async function using(file, options, check) {
  const opened = await openPage(browser, pathToFileURL(join(PAGES, file)).href, options);
  try {
    return await check(opened);
  } finally {
    await opened.context.close();
  }
}

const unfold = (page) => page.evaluate(() => document.querySelectorAll("details").forEach((one) => { one.open = true; }));

for (const file of FILES) {
  test(`${file}: opens without complaint and asks for nothing`, () =>
    using(file, DESKTOP, async ({ page, complaints, asked }) => {
      await unfold(page);
      assert.deepEqual(complaints, []);
      assert.equal(asked.length, 1, String(asked));
      assert.equal(await page.evaluate(() => document.querySelectorAll("h1").length), 1);
    }));

  test(`${file}: fits a phone`, () =>
    using(file, PHONE, async ({ page }) => {
      await unfold(page);
      const wide = await page.evaluate(() => document.scrollingElement.scrollWidth - innerWidth);
      assert.ok(wide <= 0, `${wide} pixels stick out`);
    }));

  for (const [view, options] of [
    ["light", DESKTOP],
    ["dark", { ...DESKTOP, colorScheme: "dark" }],
    ["phone", PHONE],
  ]) {
    test(`${file}: accessible (${view})`, () =>
      using(file, options, async ({ page }) => {
        // Unfolded, five hundred resources keep axe busy for minutes, and say nothing that one does not.
        if (file !== "five-hundred.html") await unfold(page);
        await page.evaluate(AXE);
        const found = await page.evaluate(async () => {
          const rules = { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] };
          const result = await globalThis.axe.run(document, rules);
          return result.violations.map((one) => `${one.id}: ${one.nodes.length} × ${one.nodes[0].html.slice(0, 160)} ${one.nodes[0].failureSummary}`);
        });
        assert.deepEqual(found, []);
      }));
  }
}

test("the keyboard reaches the changes, and folds them", () =>
  using("lustre-to-efs.html", DESKTOP, async ({ page }) => {
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
    await page.focus("#changes .entry > summary");
    const state = () => page.evaluate(() => document.querySelector("#changes .entry").open);
    const first = await state();
    await page.keyboard.press("Enter");
    assert.equal(await state(), !first);
  }));

test("the filter leaves what is looked for", () =>
  using("lustre-to-efs.html", DESKTOP, async ({ page }) => {
    await page.fill("#filter", "lustre_file_system");
    const left = await page.locator("#changes .part > .entry:visible").count();
    assert.equal(left, 1);
  }));

test("what is folded is printed too", () =>
  using("other-tier.html", DESKTOP, async ({ page }) => {
    const text = await page.pdf({ format: "A4" });
    assert.ok(text.length > 20_000);
    assert.equal(await page.evaluate(() => document.querySelectorAll("details:not([open])").length), 0);
  }));

// How long the machine takes is told, not asserted. What it comes of is: little is drawn until somebody unfolds it, and
// the script is at work when the page is loaded.
test("five hundred resources can be used once they are loaded", (t) =>
  using("five-hundred.html", DESKTOP, async ({ page, complaints }) => {
    const { elements, drawn, loaded } = await page.evaluate(() => {
      const all = [...document.querySelectorAll("*")];
      return {
        elements: all.length,
        drawn: all.filter((one) => one.checkVisibility()).length,
        loaded: Math.round(performance.getEntriesByType("navigation")[0].loadEventEnd),
      };
    });
    t.diagnostic(`loaded after ${loaded} ms, ${drawn} of ${elements} elements drawn`);
    assert.ok(drawn > 500 && drawn < 4000, `${drawn} elements are drawn`);
    await page.fill("#filter", "scripts[7]");
    assert.equal(await page.locator("#changes .part > .entry:visible").count(), 1);
    assert.match(await page.textContent("#found"), /^1 of \d+ shown$/);
    assert.deepEqual(complaints, []);
  }));
