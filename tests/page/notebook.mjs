// The page as a widget in headless Chromium; prints what it saw as JSON for tests/page/test_notebook.py.
//   node notebook.mjs lab URL           a JupyterLab with a notebook whose first cell shows the page
//   node notebook.mjs stand-in PYTHON   the widget's front end on a bare document, tests/page/stand_in.py as the kernel
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { chromium, options } from "./browser.mjs";

const [where, target] = process.argv.slice(2), out = { errors: [], requests: [] };
const browser = await chromium.launch(options);
const context = await browser.newContext({ viewport: { width: 1280, height: 1000 }, permissions: ["clipboard-read", "clipboard-write"] });
const page = await context.newPage();
page.on("pageerror", (error) => out.errors.push(error.message));
page.on("request", (request) => out.requests.push(request.url()));

async function inLab() {
  await page.goto(target);
  await page.waitForSelector(".jp-Notebook .jp-CodeCell", { timeout: 60000 });
  await page.waitForFunction(() => document.body.textContent.includes("Idle"), null, { timeout: 60000 });
  for (let i = 0; i < 10 && !(await page.$('iframe[title="rheobase"]')); i++) {
    await page.click(".jp-CodeCell .jp-Editor"); // a key that is pressed before the kernel listens is lost
    await page.keyboard.press("Control+Enter");
    await page.waitForSelector('iframe[title="rheobase"]', { timeout: 6000 }).catch(() => null);
  }
}

let kernel = null;
async function inStandIn() {
  kernel = spawn(target, [new URL("stand_in.py", import.meta.url).pathname], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: kernel.stdout });
  const first = JSON.parse(await new Promise((done) => lines.once("line", done)));
  await page.exposeFunction("toKernel", (text) => void kernel.stdin.write(`${text}\n`));
  lines.on("line", (line) => page.evaluate((text) => window.fromKernel(JSON.parse(text)), line));
  await page.route("**/*", (route) => route.fulfill({ contentType: "text/html", body: '<!doctype html><title>notebook</title><body style="background:#222;color:#eee">' }));
  await page.goto("http://localhost:9/");
  await page.evaluate(async ({ esm, state }) => {
    const heard = new Set();
    const model = {
      get: (name) => state[name],
      set: (name, value) => (state[name] = value),
      save_changes: () => (window.saved = { ...state }),
      send: (content) => window.toKernel(JSON.stringify(content)),
      on: (_, hear) => heard.add(hear),
      off: (_, hear) => heard.delete(hear),
    };
    window.fromKernel = (content) => heard.forEach((hear) => hear(content));
    window.heard = heard;
    const { default: widget } = await import(`data:text/javascript;base64,${btoa(unescape(encodeURIComponent(esm)))}`);
    window.clean = widget.render({ model, el: document.body });
  }, first);
}

const frameOf = async () => {
  const frame = await (await page.waitForSelector('iframe[title="rheobase"]', { timeout: 60000 })).contentFrame();
  await frame.waitForFunction(() => window.ready === true, null, { timeout: 20000 });
  return frame;
};
const shown = (frame) => frame.evaluate(() => [window.page.neuron.setup?.model.id, window.page.neuron.results?.A.steps]);
const error = (frame, begin) => frame.waitForFunction((text) => !window.page.rows.error.hidden && window.page.rows.error.textContent.startsWith(text), begin, { timeout: 20000 }).then(() => frame.evaluate("window.page.rows.error.textContent"));

await (where === "lab" ? inLab() : inStandIn());
let frame = await frameOf();
const area = (name) => frame.locator(`.editor textarea[name="${name}"]`);
await frame.click("#tab-rows");
await frame.waitForFunction(() => window.page.rows.go.disabled === false, null, { timeout: 30000 });
await area("evolve").fill("tau dv/dt = E_L - v + R*I\ntau_a dtheta/dt = theta_0 - theta +* 3");
out.caret = await error(frame, "evolve row");
await area("evolve").fill("v".repeat(1_000_000));
out.big = await error(frame, "more than");
await area("evolve").fill("tau dv/dt = E_L - v + R*I - w\ntau_w dw/dt = a*(v - E_L) - w");
await area("threshold").fill("v > theta");
await area("reset").fill("v <- v_r\nw <- w + b");
await area("values").fill("tau = 20 ms\ntau_w = 100 ms\nR = 100 MOhm\nE_L = -70 mV\ntheta = -50 mV\nv_r = -60 mV\na = 0.2\nb = 4 mV");
await frame.waitForFunction(() => window.page.rows.error.hidden && window.page.rows.go.disabled === false, null, { timeout: 20000 });
await frame.click("text=Explore this neuron");
out.neuron = await frame.evaluate(() => ({ python: window.page.pythonText(window.page.neuron.setup), steps: window.page.neuron.results.A.steps, dt: window.page.neuron.setup.dt }));
out.look = await frame.evaluate(() => document.documentElement.dataset.look);
await page.waitForTimeout(500);
if (process.env.PICTURE) await page.screenshot({ path: process.env.PICTURE });
const [download] = await Promise.all([page.waitForEvent("download"), frame.click('.tools button:text-is("CSV")')]);
out.file = download.suggestedFilename();
// what the frame may not: reach the notebook, fetch, evaluate, run a script without the nonce
out.walls = await frame.evaluate(async () => {
  const tries = { parent: () => window.parent.document.title, storage: () => localStorage.length, cookie: () => document.cookie };
  const found = Object.fromEntries(Object.entries(tries).map(([name, take]) => {
    try {
      return [name, String(take())];
    } catch (e) {
      return [name, e.name];
    }
  }));
  found.evaluate = await new Promise((done) => setTimeout(() => { // later, since what the test itself evaluates is let through
    try {
      done(String((0, eval)("1")));
    } catch (e) {
      done(e.name);
    }
  }));
  found.fetch = await fetch("https://example.org/").then(String, (e) => e.name);
  const script = document.createElement("script");
  script.textContent = "window.hacked = 1";
  document.head.append(script);
  found.script = String(window.hacked);
  return found;
});
// another window's port is not taken
await page.evaluate(() => {
  const channel = new MessageChannel(), frame = document.querySelector('iframe[title="rheobase"]');
  channel.port1.onmessage = () => (window.stolen = true);
  frame.contentWindow.postMessage({ rheobase: "guessed", link: "#timing" }, "*", [channel.port2]);
});
// a frame that is taken out and put back goes on where it was
await page.evaluate(() => {
  const frame = document.querySelector('iframe[title="rheobase"]'), { parentNode } = frame;
  frame.remove();
  parentNode.append(frame);
});
frame = await frameOf();
await frame.waitForFunction(() => window.page.neuron.results?.A && window.page.neuron.setup.model.id.startsWith("own"), null, { timeout: 20000 });
out.again = await shown(frame);
out.stolen = await page.evaluate(() => window.stolen ?? null);
if (where !== "lab") out.left = await page.evaluate(() => (window.clean(), window.heard.size));
kernel?.stdin.end();
await browser.close();
process.stdout.write(JSON.stringify(out));
