// Which browser the tests drive, and with which options; needs playwright-core (tools/page) and Chromium.
// CHROMIUM names another browser than /usr/bin/chromium.
import { createRequire } from "node:module";

const require = createRequire(new URL("../../tools/page/", import.meta.url));
export const { chromium } = require("playwright-core");
export const options = {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
};
