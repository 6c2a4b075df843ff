// node shots.js OUT FILE...: pictures of pages on a desktop, a phone, dark, and in print, to be looked at.
import { mkdirSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

import { openBrowser, openPage } from "./browser.js";

const VIEWS = {
  desktop: { viewport: { width: 1280, height: 900 } },
  phone: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true },
  dark: { viewport: { width: 1280, height: 900 }, colorScheme: "dark" },
};

const [out, ...files] = process.argv.slice(2);
mkdirSync(out, { recursive: true });
const browser = await openBrowser();
try {
  for (const file of files) {
    const name = basename(file, ".html");
    for (const [view, options] of Object.entries(VIEWS)) {
      const { page, context, complaints } = await openPage(browser, pathToFileURL(resolve(file)).href, options);
      await page.screenshot({ path: join(out, `${name}-${view}.png`), fullPage: true });
      if (view === "desktop") await page.pdf({ path: join(out, `${name}-print.pdf`), format: "A4", printBackground: true });
      for (const complaint of complaints) console.log(`${name} ${view}: ${complaint}`);
      await context.close();
    }
  }
} finally {
  await browser.close();
}
