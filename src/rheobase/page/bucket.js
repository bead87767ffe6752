// The tab of the buckets.

// Draw a bucket with a rubber bottom; `level` in percent. `leak`: 0 to 1, how fast water runs out; `pour`: whether it is
// filled; `fired`: null, or from 0 to 1 how much of the refractory period has passed; `tau` labels the hole.
function drawBucket(canvas, { level, leak = 0, pour = false, hole = false, fired = null, now = 0, stretch = 1, rim = null }) {
  const [context, w, h] = prepare(canvas);
  if (w < 20) return;
  const c = colours(), r = rem(), calm = isCalm(), middle = w / 2;
  const top = 2.2 * r, base = h - 5 * r, half = Math.min(w * 0.36, 6.4 * r), foot = half * 0.76, full = level / 100;
  const sag = (0.35 + 3.1 * full * stretch) * r;
  const outline = () => {
    context.beginPath();
    context.moveTo(middle - half, top);
    context.lineTo(middle - foot, base);
    context.bezierCurveTo(middle - foot * 0.6, base + sag * 1.25, middle + foot * 0.6, base + sag * 1.25, middle + foot, base);
    context.lineTo(middle + half, top);
  };
  const surface = base - (base - top) * full, lowest = base + sag * 0.94;
  const paint = fired !== null ? c.fired : c.water, dark = fired !== null ? c.b : c.deep;
  // what runs out
  const open = hole ? (0.1 + 0.5 * full) * r : 0;
  if (hole && leak > 0.004) {
    const stream = Math.max(1, open * 1.1 * Math.min(1, leak * 3)), end = h - 0.5 * r;
    context.fillStyle = paint;
    context.globalAlpha = 0.85;
    context.beginPath();
    context.moveTo(middle - stream / 2, lowest - 1);
    context.lineTo(middle + stream / 2, lowest - 1);
    context.lineTo(middle + stream / 3, end);
    context.lineTo(middle - stream / 3, end);
    context.fill();
    context.beginPath();
    context.ellipse(middle, end, (0.8 + 3 * Math.min(1, leak)) * r, 0.28 * r, 0, 0, 7);
    context.fill();
    context.globalAlpha = 1;
  }
  // the inside, what is poured in, the water
  outline();
  context.closePath();
  context.fillStyle = c.wash;
  context.fill();
  if (pour) {
    context.fillStyle = paint;
    context.globalAlpha = 0.85;
    context.fillRect(middle - half * 0.3 - 0.22 * r, 0, 0.44 * r, surface + 0.15 * r);
    context.globalAlpha = 1;
  }
  if (level > 0.05 || fired !== null) {
    context.save();
    outline();
    context.closePath();
    context.clip();
    const line = fired !== null ? base - (base - top) * (1 - fired) : surface;
    const wave = calm || fired !== null ? 0 : Math.min(0.16, (pour ? 0.16 : 0.05) * (full + 0.2)) * r;
    const flood = context.createLinearGradient(0, line, 0, lowest);
    flood.addColorStop(0, paint);
    flood.addColorStop(1, dark);
    context.fillStyle = flood;
    context.beginPath();
    context.moveTo(middle - half - 2, line);
    for (let i = 0; i <= 24; i++) {
      context.lineTo(middle - half + (2 * half * i) / 24, line + wave * Math.sin(i * 0.9 + now / 190) + wave * 0.6 * Math.sin(i * 0.5 - now / 260));
    }
    context.lineTo(middle + half + 2, h);
    context.lineTo(middle - half - 2, h);
    context.fill();
    context.restore();
  }
  // walls, the rubber bottom, the hole in it
  context.lineJoin = context.lineCap = "round";
  context.strokeStyle = fired !== null ? c.b : c.ink;
  context.lineWidth = 0.2 * r;
  context.beginPath();
  context.moveTo(middle - half, top);
  context.lineTo(middle - foot, base);
  context.moveTo(middle + half, top);
  context.lineTo(middle + foot, base);
  context.stroke();
  context.strokeStyle = c.d;
  context.lineWidth = (0.3 - 0.12 * full) * r;
  context.beginPath();
  context.moveTo(middle - foot, base);
  context.bezierCurveTo(middle - foot * 0.6, base + sag * 1.25, middle + foot * 0.6, base + sag * 1.25, middle + foot, base);
  context.stroke();
  if (hole) {
    context.fillStyle = level > 0.5 && fired === null ? dark : c.card;
    context.beginPath();
    context.ellipse(middle, lowest, Math.max(0.12 * r, open * 0.75), Math.max(0.1 * r, open * 0.34), 0, 0, 7);
    context.fill();
  }
  if (rim !== null) {
    context.strokeStyle = c.b;
    context.lineWidth = 1.5;
    context.setLineDash([5, 4]);
    context.beginPath();
    context.moveTo(middle - half - 0.9 * r, top);
    context.lineTo(middle + half + 0.9 * r, top);
    context.stroke();
    context.setLineDash([]);
  }
  context.textAlign = "center";
  context.textBaseline = "middle";
  if (fired !== null) {
    context.font = `600 ${1.15 * r}px ${getComputedStyle(document.body).fontFamily}`;
    context.fillStyle = c.ink;
    context.fillText("Fired", middle, 1.1 * r);
  }
}

// A button that is pressed by mouse, finger, space or enter, for as long as it is held.
function tap(text, press, release, className = "primary") {
  const node = el("button", { type: "button", className: `${className} tap` }, text);
  let held = false;
  const down = (event) => {
    if (held) return;
    held = true;
    node.classList.add("held");
    if (event.pointerId !== undefined) node.setPointerCapture(event.pointerId);
    press(performance.now());
  };
  const up = () => {
    if (!held) return;
    held = false;
    node.classList.remove("held");
    release(performance.now());
  };
  node.addEventListener("pointerdown", down);
  for (const type of ["pointerup", "pointercancel", "lostpointercapture"]) node.addEventListener(type, up);
  node.addEventListener("keydown", (event) => {
    if (event.key === " " || event.key === "Enter") {
      event.preventDefault();
      down(event);
    }
  });
  node.addEventListener("keyup", up);
  node.addEventListener("blur", up);
  node.addEventListener("contextmenu", (event) => event.preventDefault());
  return node;
}

// What a bucket's level was over the last `span` ms, thinned to at most one value a frame.
class Trail {
  constructor(span, count) {
    this.span = span;
    this.t = [];
    this.levels = Array.from({ length: count }, () => []);
  }

  add(now, levels) {
    this.t.push(now);
    levels.forEach((x, i) => this.levels[i].push(x));
    let old = 0;
    while (this.t[old] < now - this.span) old++;
    if (old > 200) {
      this.t.splice(0, old);
      for (const l of this.levels) l.splice(0, old);
    }
  }

  data(now) {
    return [this.t.map((t) => (t - now) / 1000), ...this.levels];
  }
}

class BucketTab {
  constructor(host) {
    this.host = host;
    this.frames = 0;
    this.parts = [this.still(), this.one(), this.three(), this.firing()];
    this.running = false;
  }

  card(number, heading, text, picture, ...rest) {
    const card = el("section", { className: "card bucket-card" }, el("div", { className: "told" }, el("h2", {}, el("span", { className: "step" }, String(number)), heading), text), picture, ...rest);
    this.host.append(card);
    return card;
  }

  still() {
    const canvas = el("canvas", { className: "bucket", role: "img", "aria-label": "A bucket whose rubber bottom sags under the water" });
    let level = 50, drawn = null;
    const control = slider({ name: "level", text: "water", unit: "%", low: 0, high: 100, least: 0, most: 100 }, level, (x) => {
      level = x;
      drawn = null;
    });
    this.card(1, "A bucket with a rubber bottom", [
      el("p", {}, "A neuron keeps a running total: its potential ", math(["mi", "v"]), ". Think of water in a bucket. The more there is in it, the further the bottom stretches."),
      control.node,
    ], canvas, el("table", { className: "rows meaning" }, el("tbody", {}, [["water in the bucket", ["potential ", math(["mi", "v"])]], ["water poured in", ["input current ", math(["mi", "I"])]], ["the hole", ["the leak"]], ["how little it stretches", ["time constant ", math(["mi", "τ"])]], ["the rim", ["threshold ", math(["msub", ["mi", "v"], ["mi", "th"]])]]].map(([bucket, neuron]) => el("tr", {}, el("th", { scope: "row" }, bucket), el("td", {}, neuron))))));
    return { frame: () => {
      if (drawn === level && canvas.width > 1) return;
      drawBucket(canvas, { level });
      drawn = level;
    }, redraw: () => (drawn = null) };
  }

  one() {
    const canvas = el("canvas", { className: "bucket", role: "img", "aria-label": "A leaking bucket" });
    const water = new Water({ tau: 2000, level: 60 }), trail = new Trail(10000, 1);
    const plotHost = el("div"), plot = new Plot(plotHost, { series: [{ label: "v", stroke: "a", width: 2 }], height: 12, xLabel: "seconds ago", label: "Level of the bucket over the last ten seconds" });
    const level = el("output", { className: "figure" }), slope = el("output", { className: "figure" });
    const add = tap("Add water", (now) => water.press(now), (now) => water.release(now));
    const tau = slider({ name: "tau", tree: ["mi", "τ"], unit: "ms", low: 200, high: 6000, open: true, log: true }, 2000, (x) => (water.tau = x));
    this.card(2, "Poke a hole in it", [
      el("p", {}, "Water leaks out, and the fuller the bucket the wider the hole is stretched: it leaks fast when full and slowly when nearly empty."),
      el("div", { className: "equation" }, math(["mrow", ["msup", ["mi", "v"], ["mo", "′"]], ["mo", "="], ["mfrac", ["mrow", ["mi", "I"], ["mo", "−"], ["mi", "v"]], ["mi", "τ"]]], true)),
      el("div", { className: "actions" }, add),
      el("p", { className: "hint" }, "Click for a splash, hold to keep pouring. Space and Enter do the same."),
      tau.node,
    ], canvas, el("div", { className: "trace" }, el("div", { className: "figures" }, el("div", {}, math(["mi", "v"]), "(%)", level), el("div", {}, math(["msup", ["mi", "v"], ["mo", "′"]]), slope)), plotHost));
    this.leaky = water;
    return { frame: (now) => {
      water.frame(now);
      trail.add(now, [water.level]);
      drawBucket(canvas, { level: water.level, hole: true, leak: water.adding ? 0 : (water.level / 100) * Math.min(1.5, 2000 / water.tau), pour: water.adding, now });
      plot.set(trail.data(now), { x: [-10, 0], y: [0, 105] });
      level.textContent = water.level.toFixed(1);
      const falls = ((1000 * water.level) / water.tau).toFixed(1);
      slope.textContent = water.adding ? "filling" : `${falls === "0.0" ? "" : "−"}${falls} %/s`;
    } };
  }

  three() {
    const taus = [500, 1000, 3000], waters = taus.map((tau) => new Water({ tau, level: 100 })), trail = new Trail(10000, 3), tones = ["a", "b", "c"];
    const canvases = taus.map((tau) => el("canvas", { className: "bucket", role: "img", "aria-label": `Bucket with tau ${tau} ms` }));
    const outputs = taus.map(() => el("output", { className: "figure" }));
    const plotHost = el("div"), plot = new Plot(plotHost, { series: taus.map((tau, i) => ({ label: `${tau}`, stroke: tones[i], width: 2 })), height: 11, xLabel: "seconds ago", label: "Levels of the three buckets over the last ten seconds" });
    const each = (act) => (now) => waters.forEach((w) => w[act](now));
    const add = tap("Add water to all three", each("press"), each("release"));
    this.card(3, "How stretchy is the hole?", [
      el("p", {}, "The time constant ", math(["mi", "τ"]), " says how fast a bucket forgets: within ", math(["mi", "τ"]), " the level falls to 37 %. The three get the same water."),
      el("div", { className: "actions" }, add),
    ], el("div", { className: "three" }, ...taus.map((tau, i) => el("figure", {}, canvases[i], el("figcaption", { className: `tone-${tones[i]}` }, math(["mrow", ["mi", "τ"], ["mo", "="], ["mn", String(tau)]]), " ms", outputs[i])))), el("div", { className: "trace wide" }, el("span", { className: "axis" }, math(["mi", "v"]), " (%)"), plotHost));
    this.waters = waters;
    return { frame: (now) => {
      waters.forEach((w, i) => {
        w.frame(now);
        drawBucket(canvases[i], { level: w.level, hole: true, leak: w.adding ? 0 : (w.level / 100) * Math.min(1.5, 1000 / w.tau), pour: w.adding, now });
        outputs[i].textContent = `${w.level.toFixed(1)} %`;
      });
      trail.add(now, waters.map((w) => w.level));
      plot.set(trail.data(now), { x: [-10, 0], y: [0, 105] });
    } };
  }

  firing() {
    const canvas = el("canvas", { className: "bucket", role: "img", "aria-label": "A bucket that fires when it is full" });
    const water = new Water({ tau: 2000, fires: true }), trail = new Trail(30000, 1), plotHost = el("div");
    let now = 0;
    const marks = (context, u) => {
      const { top, height } = u.bbox, c = colours();
      context.save();
      context.beginPath();
      context.rect(u.bbox.left, top, u.bbox.width, height);
      context.clip();
      for (const t of water.spikes) {
        const x = u.valToPos((t - now) / 1000, "x", true), end = u.valToPos((t + water.refractory - now) / 1000, "x", true);
        context.fillStyle = c.fired;
        context.globalAlpha = 0.28;
        context.fillRect(x, top, end - x, height);
        context.globalAlpha = 1;
        context.fillStyle = c.b;
        context.fillRect(x - devicePixelRatio, top, 2 * devicePixelRatio, height);
      }
      const y = u.valToPos(100, "y", true);
      context.strokeStyle = c.b;
      context.setLineDash([5 * devicePixelRatio, 4 * devicePixelRatio]);
      context.beginPath();
      context.moveTo(u.bbox.left, y);
      context.lineTo(u.bbox.left + u.bbox.width, y);
      context.stroke();
      context.restore();
    };
    const plot = new Plot(plotHost, { series: [{ label: "v", stroke: "a", width: 2 }], height: 12, xLabel: "seconds ago", marks, label: "Level over the last thirty seconds, with spikes and refractory periods" });
    const count = el("output", { className: "figure" }), state = el("output", { className: "figure", "aria-live": "polite" });
    const add = tap("Add water", (t) => water.press(t), (t) => water.release(t));
    const tau = slider({ name: "tau", tree: ["mi", "τ"], unit: "ms", low: 200, high: 6000, open: true, log: true }, 2000, (x) => (water.tau = x));
    const pause = slider({ name: "t_ref", tree: ["msub", ["mi", "t"], ["mi", "ref"]], unit: "ms", low: 0, high: 6000, least: 0 }, 3000, (x) => (water.refractory = x));
    this.card(4, "Full to the rim: it fires", [
      el("p", {}, "When the water reaches the rim, ", math(["mrow", ["mi", "v"], ["mo", "≥"], ["msub", ["mi", "v"], ["mi", "th"]]]), ", the neuron fires: it is emptied, and through its refractory period no water gets in."),
      el("div", { className: "actions" }, add),
      tau.node,
      pause.node,
    ], canvas, el("div", { className: "trace" }, el("div", { className: "figures" }, el("div", {}, math(["mi", "v"]), "(%)"), el("div", {}, "spikes", count), el("div", {}, state)), plotHost));
    this.fires = water;
    return { frame: (t) => {
      now = t;
      water.frame(t);
      while (water.spikes.length > 200) water.spikes.shift();
      trail.add(t, [water.level]);
      const resting = water.isRefractory(t);
      drawBucket(canvas, { level: water.level, hole: true, leak: water.adding || resting ? 0 : (water.level / 100) * Math.min(1.5, 2000 / water.tau), pour: water.adding, fired: resting ? (t - water.firedAt) / water.refractory : null, now: t, rim: 100 });
      plot.set(trail.data(t), { x: [-30, 0], y: [0, 112] });
      count.textContent = String(water.spikes.length);
      state.textContent = resting ? "refractory" : "ready";
    } };
  }

  start() {
    if (this.running) return;
    this.running = true;
    const step = (now) => {
      if (!this.running) return;
      this.frames++;
      for (const part of this.parts) part.frame(now);
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  stop() {
    this.running = false;
  }

  redraw() {
    for (const part of this.parts) part.redraw?.();
  }
}
