// Chromium of this machine, driven without a test framework.
import { chromium } from "playwright-core";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** A browser that can reach nothing: every request but the page's own file is refused, and counted. */
export async function openBrowser() {
  const executablePath = process.env.CHROMIUM ?? PLACES[0];
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
}

/** The page of one file, with what it complained about and asked for. */
export async function openPage(browser, url, options = {}) {
  const context = await browser.newContext({ offline: true, ...options });
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  await page.goto(url, { waitUntil: "load" });
  return { page, context, complaints, asked };
}
