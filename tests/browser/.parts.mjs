import { openBrowser, openPage } from "./browser.js";
import { pathToFileURL } from "node:url";
import { resolve } from "node:path";
const [out, file, view, ...ys] = process.argv.slice(2);
const V = { desktop: { viewport: { width: 1280, height: 1000 } }, phone: { viewport: { width: 390, height: 1300 }, isMobile: true }, dark: { viewport: { width: 1100, height: 1000 }, colorScheme: "dark" } };
const b = await openBrowser();
const { page } = await openPage(b, pathToFileURL(resolve(file)).href, V[view]);
for (const y of ys) {
  if (y.startsWith("#")) await page.evaluate((s) => document.querySelector(s).scrollIntoView(), y);
  else await page.evaluate((s) => scrollTo(0, s), Number(y));
  await page.waitForTimeout(600);
  await page.screenshot({ path: `${out}-${y.replace("#", "")}.png` });
}
await b.close();
