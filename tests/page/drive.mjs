// Drives the page in headless Chromium and prints what it saw as JSON; tests/page/test_page.py compares it with Python.
//   node drive.mjs FILE_URL SERVED_URL FOLDER
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, options } from "./browser.mjs";

const [fileUrl, servedUrl, folder] = process.argv.slice(2);
const context = await chromium.launchPersistentContext(mkdtempSync(join(tmpdir(), "page-")), {
  ...options, viewport: { width: 1366, height: 900 }, hasTouch: true,
});
const out = { errors: [], requests: [] };
const only = process.env.ONLY?.split(","), wanted = (part) => !only || only.includes(part);

async function open(url, ready = true) {
  const page = await context.newPage();
  page.on("pageerror", (error) => out.errors.push(`${error.message} ${error.stack?.slice(0, 300)}`));
  page.on("console", (message) => message.type() === "error" && !message.text().includes("422") && out.errors.push(message.text()));
  page.on("dialog", (dialog) => {
    out.errors.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  await page.route("**/*", (route) => {
    const address = route.request().url();
    out.requests.push(address);
    return address.startsWith("file:") || address.startsWith(servedUrl) || address.startsWith("data:") || address.startsWith("blob:") ? route.continue() : route.abort();
  });
  const begin = performance.now();
  await page.goto(url);
  if (ready) await page.waitForFunction(() => window.ready === true, null, { polling: 5, timeout: 20000 });
  return [page, performance.now() - begin];
}

// ---------------------------------------------------------------- how long, how often
if (wanted("speed")) {
  const times = [];
  for (let i = 0; i < 5; i++) {
    const [page, ms] = await open(fileUrl);
    times.push([ms, await page.evaluate("performance.now() - performance.timing.connectEnd * 0"), await page.evaluate("page.seconds * 1000")]);
    if (i < 4) await page.close();
    else {
      out.frames = await page.evaluate(async () => {
        for (const w of window.page.bucket.waters) w.click(performance.now());
        window.page.bucket.fires.click(performance.now());
        const gaps = [];
        let last = performance.now();
        const end = last + 4000;
        await new Promise((done) => {
          const next = (now) => {
            gaps.push(now - last);
            last = now;
            now < end ? requestAnimationFrame(next) : done();
          };
          requestAnimationFrame(next);
        });
        gaps.sort((a, b) => a - b);
        return { rate: 1000 / (gaps.reduce((a, b) => a + b, 0) / gaps.length), median: gaps[gaps.length >> 1], slowest: gaps.at(-1) };
      });
      await page.close();
    }
  }
  out.ready = times.map((t) => t[0]).sort((a, b) => a - b);
}
if (wanted("latency")) {
  const [page] = await open(`${fileUrl}#neuron?m=LIF`);
  await page.waitForTimeout(600);
  // from the event of a slider to the frame after the plot was drawn
  out.latency = await page.evaluate(async () => {
    const range = document.querySelector('.panel-neuron [data-name="tau"] input[type="range"]'), all = [];
    for (let i = 0; i < 40; i++) {
      await new Promise((done) => setTimeout(done, 60));
      const before = window.page.neuron.updates, begin = performance.now();
      range.value = String(300 + 10 * i);
      range.dispatchEvent(new Event("input", { bubbles: true }));
      await new Promise((done) => {
        const look = () => (window.page.neuron.updates > before ? done() : requestAnimationFrame(look));
        requestAnimationFrame(look);
      });
      all.push(performance.now() - begin);
    }
    all.sort((a, b) => a - b);
    return { median: all[20], slowest: all.at(-1) };
  });
  await page.close();
}

// ---------------------------------------------------------------- a screen with two pixels for one
if (wanted("fine")) {
  const [page] = await open(`${fileUrl}#neuron?m=LIF`), fonts = () => page.evaluate(() => window.page.neuron.plots[0].plot.u.axes.map((axis) => parseFloat(axis.font[0])));
  const before = await fonts(), session = await context.newCDPSession(page);
  await session.send("Emulation.setDeviceMetricsOverride", { width: 390, height: 844, deviceScaleFactor: 2, mobile: true });
  await page.reload();
  await page.waitForFunction(() => window.ready === true);
  out.fine = { before, after: await fonts(), wide: await page.evaluate(() => document.documentElement.scrollWidth) };
  await page.close();
}

// ---------------------------------------------------------------- every model
if (wanted("models")) {
  const [page] = await open(`${fileUrl}#neuron?m=LIF`);
  out.models = await page.evaluate(() => {
    const tab = window.page.neuron, found = [];
    for (const { id } of window.page.catalogue.models.filter((m) => m.group !== "hidden")) {
      for (const kind of ["default", "noise", "drawn", "ramp", "pulses", "poisson"]) {
        tab.picker.value = id;
        tab.picker.dispatchEvent(new Event("change"));
        if (kind !== "default") {
          const choice = document.querySelector(`.segmented input[value="${kind}"]`);
          if (!choice) continue;
          choice.click();
        }
        const { setup, results } = tab;
        found.push({ id, kind, steps: results.A.steps, dt: setup.dt, shown: document.querySelector('[data-of="spikes A"]').textContent, rate: document.querySelector('[data-of="rate A"]').textContent, values: setup.A, python: window.page.pythonText(setup), final: Object.fromEntries(Object.entries(results.A.traces).map(([s, x]) => [s, x.at(-1)])) });
      }
    }
    return found;
  });
  await page.close();
}

// ---------------------------------------------------------------- every control
if (wanted("controls")) {
  const [page] = await open(`${fileUrl}#neuron?m=AdEx`);
  await page.click('label[for="compare"]');
  out.controls = await page.evaluate(async () => {
    const tab = window.page.neuron, moved = [], pause = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
    for (const range of document.querySelectorAll('.panel-neuron .slider input[type="range"]')) {
      const before = JSON.stringify([tab.setup.A, tab.setup.B, tab.setup.stimuli, tab.setup.until]), updates = tab.updates;
      range.value = String(Number(range.value) > 500 ? Number(range.value) - 37 : Number(range.value) + 37);
      range.dispatchEvent(new Event("input", { bubbles: true }));
      await pause();
      await pause();
      moved.push([range.getAttribute("aria-label"), JSON.stringify([tab.setup.A, tab.setup.B, tab.setup.stimuli, tab.setup.until]) !== before && tab.updates > updates]);
    }
    return moved;
  });
  out.compared = await page.evaluate(() => ({ python: window.page.pythonText(window.page.neuron.setup), A: window.page.neuron.results.A.steps, B: window.page.neuron.results.B.steps, dt: window.page.neuron.setup.dt }));
  // fields: what is not legal is refused with a word, what is legal is taken
  const field = page.locator('.panel-neuron [data-name="tau_w"] input.number').first();
  out.fields = {};
  for (const text of ["-3", "0", "abc", "", "1e400", "77.5"]) {
    await field.fill(text);
    out.fields[text] = await page.evaluate(() => [window.page.neuron.setup.A.tau_w, document.querySelector('.panel-neuron [data-name="tau_w"] .problem').textContent]);
  }
  // the link keeps all of it
  await page.waitForTimeout(500);
  const link = page.url(), state = await page.evaluate(() => JSON.stringify([window.page.neuron.setup.A, window.page.neuron.setup.B, window.page.neuron.setup.stimulus, window.page.neuron.setup.dt, window.page.neuron.setup.until]));
  const [again] = await open(link);
  out.link = { same: state === (await again.evaluate(() => JSON.stringify([window.page.neuron.setup.A, window.page.neuron.setup.B, window.page.neuron.setup.stimulus, window.page.neuron.setup.dt, window.page.neuron.setup.until]))), link };
  await again.close();
  // files
  out.files = {};
  for (const kind of ["CSV", "SVG", "PNG"]) {
    const [download] = await Promise.all([page.waitForEvent("download"), page.click(`.tools button:text-is("${kind}")`)]);
    const path = join(folder, download.suggestedFilename());
    await download.saveAs(path);
    const bytes = readFileSync(path);
    out.files[kind] = { path, name: download.suggestedFilename(), size: bytes.length, begin: bytes.subarray(0, 8).toString("latin1") };
  }
  await page.close();
}
if (wanted("drawn")) {
  // draw a current with the mouse
  const [page] = await open(`${fileUrl}#neuron?m=LIF&s=drawn`);
  const box = await page.locator(".drawing .current-plot .u-over").boundingBox();
  await page.mouse.move(box.x + box.width * 0.3, box.y + box.height * 0.5);
  await page.mouse.down();
  for (let i = 0; i <= 20; i++) await page.mouse.move(box.x + box.width * (0.3 + 0.02 * i), box.y + box.height * (0.5 - 0.02 * i));
  await page.mouse.up();
  await page.waitForTimeout(200);
  out.drawn = await page.evaluate(() => ({ points: window.page.neuron.setup.stimulus.points, steps: window.page.neuron.results.A.steps, python: window.page.pythonText(window.page.neuron.setup), dt: window.page.neuron.setup.dt }));
  // time that runs on: what the window shows after more than two durations
  await page.evaluate(() => {
    window.page.neuron.choose("LIF");
    window.page.neuron.startLive();
  });
  await page.waitForFunction(() => window.page.neuron.live.begin > 1.3 * window.page.neuron.setup.total, null, { timeout: 60000 });
  out.live = await page.evaluate(() => {
    const tab = window.page.neuron, { begin } = tab.live, { total, dt, stimulus } = tab.setup;
    const told = { from: begin * dt, until: (begin + total) * dt, spikes: tab.results.A.spikes, v: tab.results.A.traces.v.at(-1), stimulus, duration: tab.setup.until, dt };
    const range = document.querySelector('.panel-neuron [data-name="tau"] input[type="range"]');
    range.value = "900";
    range.dispatchEvent(new Event("input", { bubbles: true }));
    return told;
  });
  await page.waitForTimeout(1200);
  out.live.slower = await page.evaluate(() => [window.page.neuron.setup.A.tau, window.page.neuron.live !== null, window.page.neuron.live.sets.A.simulation.held.tau]);
  await page.evaluate(() => window.page.neuron.stopLive());
  // the f-I curve
  await page.evaluate(() => window.page.neuron.choose("LIF"));
  await page.waitForFunction(() => window.page.neuron.curves?.rates?.length, null, { timeout: 10000 });
  await page.waitForTimeout(800);
  out.curve = await page.evaluate(() => window.page.neuron.curves);
  await page.close();
}

// ---------------------------------------------------------------- buckets, by mouse, keyboard and finger
if (wanted("buckets")) {
  const [page] = await open(fileUrl);
  const level = (which) => page.evaluate((w) => (w === "three" ? window.page.bucket.waters.map((x) => x.level) : window.page.bucket[w].level), which);
  out.bucket = {};
  const add = page.locator(".tap");
  const before = await level("leaky");
  await add.nth(0).click();
  await page.waitForTimeout(150);
  out.bucket.click = [before, await level("leaky")];
  await page.waitForTimeout(1500);
  await add.nth(1).focus();
  await page.keyboard.press("Space");
  await page.waitForTimeout(150);
  out.bucket.keyboard = await level("three");
  await add.nth(2).scrollIntoViewIfNeeded();
  await add.nth(2).tap();
  await page.waitForTimeout(400);
  out.bucket.touch = await page.evaluate(() => window.page.bucket.fires.spikes.length);
  await add.nth(2).tap();
  await page.waitForTimeout(300);
  out.bucket.refractory = await page.evaluate(() => [window.page.bucket.fires.spikes.length, window.page.bucket.fires.level]);
  const range = page.locator('.panel-bucket [data-name="level"] input[type="range"]');
  await range.focus();
  for (let i = 0; i < 5; i++) await page.keyboard.press("ArrowRight");
  out.bucket.slider = await range.evaluate((r) => Number(r.value));
  await page.close();
}

// ---------------------------------------------------------------- timing
if (wanted("timing")) {
  const [page] = await open(`${fileUrl}#timing`);
  await page.waitForFunction(() => window.page.timing.reliabilityDone && window.page.timing.networkDone, null, { timeout: 60000 });
  const read = () => page.evaluate(() => Object.fromEntries([...document.querySelectorAll(".panel-timing [data-of]")].map((o) => [o.getAttribute("data-of"), o.textContent])));
  out.timing = { first: await read(), stairs: await page.evaluate(() => ({ I: window.page.timing.stairs.I, counts: [...window.page.timing.stairs.counts] })) };
  out.timing.trains = await page.evaluate(() => window.page.timing.reliabilityCases.map((c) => ({ leak: c.leak, kind: c.kind, times: c.run.times, neurons: c.run.neurons, value: c.value })));
  for (const range of await page.locator('.panel-timing input[type="range"]').all()) {
    await range.evaluate((r) => {
      r.value = r.closest("[data-name]").dataset.name === "g" ? "320" : String(Number(r.value) > 500 ? 400 : 600);
      r.dispatchEvent(new Event("input", { bubbles: true }));
    });
  }
  await page.waitForTimeout(100);
  await page.waitForFunction(() => window.page.timing.reliabilityDone && window.page.timing.networkDone, null, { timeout: 60000 });
  out.timing.moved = await read();
  await page.close();
}

// ---------------------------------------------------------------- rows of one's own, served
if (wanted("rows")) {
  const [page] = await open(`${servedUrl}#rows`);
  await page.waitForFunction(() => window.page.rows.go.disabled === false, null, { timeout: 20000 });
  out.rows = {};
  const area = (name) => page.locator(`.editor textarea[name="${name}"]`);
  await area("evolve").fill("tau dv/dt = E_L - v + R*I\ntau_a dtheta/dt = theta_0 - theta +* 3");
  await page.waitForFunction(() => !window.page.rows.error.hidden, null, { timeout: 20000 });
  out.rows.error = await page.evaluate("window.page.rows.error.textContent");
  await area("evolve").fill("tau dv/dt = E_L - v + R*I - w\ntau_w dw/dt = a*(v - E_L) - w");
  await area("threshold").fill("v > theta");
  await area("reset").fill("v <- v_r\nw <- w + b");
  await area("values").fill("tau = 20 ms\ntau_w = 100 ms\nR = 100 MOhm\nE_L = -70 mV\ntheta = -50 mV\nv_r = -60 mV\na = 0.2\nb = 4 mV");
  await page.waitForFunction(() => window.page.rows.error.hidden && window.page.rows.go.disabled === false, null, { timeout: 20000 });
  await page.waitForTimeout(300);
  await page.click("text=Explore this neuron");
  await page.waitForTimeout(700);
  out.rows.neuron = await page.evaluate(() => ({ title: window.page.neuron.setup.model.id, steps: window.page.neuron.results.A.steps, python: window.page.pythonText(window.page.neuron.setup), dt: window.page.neuron.setup.dt }));
  const link = page.url();
  const [again] = await open(link);
  await again.waitForFunction(() => window.page.neuron.results?.A, null, { timeout: 20000 });
  out.rows.again = await again.evaluate(() => window.page.neuron.results.A.steps);
  await again.close();
  await page.close();
}

// ---------------------------------------------------------------- links that want to do harm
if (wanted("links")) {
  const script = "<img src=x onerror=window.hacked=1><script>window.hacked=1</script>";
  const links = [
    `#neuron?m=${encodeURIComponent(script)}&A.tau=${encodeURIComponent(script)}`,
    "#neuron?m=__proto__&A.__proto__=1&A.constructor=3&s=__proto__",
    `#neuron?m=own&rows=${encodeURIComponent(JSON.stringify({ rows: { evolve: `dv/dt = ${script}`, receive: { "__proto__": "x" } }, values: script, name: script }))}`,
    "#neuron?m=LIF&A.tau=-5&A.R=1e999&dt=0&until=1e12&s.on=NaN&points=1,2;0,1;x",
    "#neuron?m=LIF&dt=0.001&until=10000",
    "#__proto__",
    `#${script}`,
    `#javascript:window.hacked=1`,
  ];
  out.links = [];
  for (const link of links) {
    for (const url of [fileUrl, servedUrl]) {
      const [page] = await open(url + link);
      await page.waitForTimeout(url === servedUrl && link.includes("rows=") ? 1500 : 150);
      out.links.push([link.slice(0, 60), await page.evaluate(() => [window.hacked ?? null, document.querySelectorAll("#main img, #main script").length, window.ready, window.page.neuron.setup ? window.page.neuron.setup.A.tau ?? null : null, document.querySelectorAll(".panel:not([hidden])").length])]);
      await page.close();
    }
  }
}
await context.close();
process.stdout.write(JSON.stringify(out));
