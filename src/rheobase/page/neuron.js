// The tab of one neuron: what is set on the left, what it does on the right.

const $GROUPS = [["own", "Your own"], ["zoo", "The zoo"], ["pattern", "Twenty firing patterns (Izhikevich 2004)"]];

class NeuronTab {
  constructor(host, catalogue, onchange) {
    Object.assign(this, { host, catalogue, onchange, updates: 0, latency: 0, dirty: false, job: null });
    this.side = el("div", { className: "side" });
    this.main = el("div", { className: "main" });
    host.append(this.side, this.main);
    this.picker = el("select", { id: "model", "aria-label": "Model", onchange: () => this.choose(this.picker.value) });
    this.fillPicker();
    this.buildMain();
  }

  fillPicker() {
    const groups = $GROUPS.map(([group, text]) => {
      const models = this.catalogue.models.filter((m) => m.group === group);
      return models.length ? el("optgroup", { label: text }, models.map((m) => el("option", { value: m.id }, m.label ?? m.title))) : null;
    });
    this.picker.replaceChildren(...groups.filter(Boolean));
  }

  choose(id, settings = null) {
    this.stopLive();
    const model = this.catalogue.models.find((m) => m.id === id && m.group !== "hidden") ?? this.catalogue.models[0];
    this.setup = new Setup(model, this.catalogue.programs[model.program]);
    if (settings) applyLink(this.setup, settings);
    this.picker.value = model.id;
    this.buildSide();
    this.buildTraces();
    this.update(true);
  }

  // ---------------------------------------------------------------- left

  buildSide() {
    const { setup } = this, { model } = setup;
    const table = rowTable(model.table);
    const about = [model.about, model.criterion ? `To be seen: ${model.criterion}.` : ""].filter(Boolean).map((text) => el("p", { className: "about" }, text));
    const source = model.reference ? el("details", { className: "source" }, el("summary", {}, "Source"), el("p", {}, model.reference)) : null;
    this.parameterHost = el("div", { className: "sliders" });
    this.compareBox = el("input", { type: "checkbox", id: "compare", checked: setup.compare, onchange: () => {
      setup.compare = this.compareBox.checked;
      this.stopLive();
      this.buildParameters();
      this.buildTraces();
      this.update(true);
    } });
    const stimulus = this.stimulusHost = el("div", { className: "sliders" });
    this.kindChoice = segmented("Stimulus", setup.kinds.map((k) => [k, STIMULI[k].text]), setup.kind, (kind) => {
      this.stopLive();
      setup.kind = kind;
      this.buildStimulus();
      this.update(true);
    });
    const random = setup.model.random || setup.kinds.includes("noise") || setup.kinds.includes("poisson");
    this.side.replaceChildren(
      el("section", { className: "card" }, el("label", { className: "field", for: "model" }, el("span", {}, "Model"), this.picker), ...about, el("div", { className: "scroll" }, table), source),
      el("section", { className: "card" }, el("div", { className: "head" }, el("h2", {}, "Parameters"), button("Reset", () => this.resetParameters(), "quiet", "Back to the published values")), el("label", { className: "switch", for: "compare" }, this.compareBox, el("span", { className: "track" }), "Compare two sets, A and B"), this.parameterHost),
    );
    this.controlHost.replaceChildren(
      el("section", { className: "card" }, el("h2", {}, "Stimulus"), this.kindChoice.node, stimulus),
      el("section", { className: "card" }, el("div", { className: "head" }, el("h2", {}, "Run"), random ? button("Other random numbers", () => {
        setup.seed = (setup.seed % 999) + 1;
        this.update(true);
      }, "quiet") : null), this.buildRun()),
    );
    this.buildParameters();
    this.buildStimulus();
  }

  buildParameters() {
    const { setup } = this;
    this.parameterHost.classList.toggle("pair", setup.compare);
    this.controls = {};
    this.parameterHost.replaceChildren(...setup.model.parameters.flatMap((p) => {
      const a = slider(p, setup.A[p.name], (x) => {
        setup.A[p.name] = x;
        this.update();
      });
      this.controls[p.name] = { A: a };
      if (!setup.compare) return [a.node];
      const b = slider(p, setup.B[p.name], (x) => {
        setup.B[p.name] = x;
        this.update();
      }, { tone: "b", label: false });
      this.controls[p.name].B = b;
      return [el("div", { className: "both" }, a.node, b.node)];
    }));
  }

  resetParameters() {
    const { setup } = this;
    for (const p of setup.model.parameters) setup.A[p.name] = setup.B[p.name] = p.value;
    this.buildParameters();
    this.update(true);
  }

  buildStimulus() {
    this.main.classList.toggle("drawing", this.setup.kind === "drawn");
    const { setup } = this, { model, scale } = setup, unit = model.drive?.unit ?? "", nodes = [];
    const change = (object, key) => (x) => {
      object[key] = x;
      this.update();
    };
    const reach = Math.max(4 * scale, Math.abs(setup.present) * 1.5), rounded = (x) => Number(x.toPrecision(2));
    const current = (name, text) => ({ name, text, unit, low: -rounded(reach / 4), high: rounded(reach) });
    for (const [name, text, of, what] of STIMULI[setup.kind].fields) {
      const spec = {
        current: current(name, text),
        spread: { name, text, unit, low: 0, high: rounded(reach / 2), least: 0 },
        time: { name, text, unit: "ms", low: 0, high: setup.until, least: 0 },
        width: { name, text, unit: "ms", low: 0.1, high: rounded(setup.until / 2), log: true, open: true },
        count: { name, text, unit: of, low: 0, high: 20, least: 0, most: 100, whole: true },
      }[what];
      nodes.push(slider(spec, setup.stimulus[name], change(setup.stimulus, name)).node);
    }
    if (setup.kind === "poisson") {
      for (const p of model.ports) {
        const port = setup.ports[p.name], size = Math.abs(p.weight) * 5 || 1;
        nodes.push(el("h3", {}, model.ports.length > 1 ? `Port ${p.name}` : "Arriving spikes"));
        nodes.push(slider({ name: "rate", text: "rate", unit: "Hz", low: 0, high: 4000, least: 0 }, port.rate, change(port, "rate")).node);
        nodes.push(slider({ name: "weight", tree: ["msub", ["mi", "w"], ["mi", "i"]], unit: p.unit, low: p.weight < 0 ? -size : 0, high: p.weight < 0 ? 0 : size }, port.weight, change(port, "weight")).node);
      }
      if (model.drive) nodes.push(el("h3", {}, "and a steady current"), slider(current(model.drive.name, undefined), setup.steady, change(setup, "steady")).node);
    }
    for (const o of model.others) nodes.push(slider({ ...o, low: -1, high: 1 }, setup.others[o.name], change(setup.others, o.name)).node);
    if (setup.kind === "drawn") nodes.push(el("p", { className: "hint" }, "Draw in the plot of the current, by mouse or finger. With the keyboard: arrow keys move a point, Tab goes to the next."), this.drawnFields());
    if (setup.kind === "pieces") nodes.push(el("p", { className: "hint" }, "The current of the published figure."));
    this.stimulusHost.replaceChildren(...nodes);
  }

  // Eight points of the drawn current as sliders for the keyboard.
  drawnFields() {
    const { setup } = this, row = el("div", { className: "points", role: "group", "aria-label": "Points of the drawn current" });
    const s = setup.stimuli.drawn, high = Math.max(4 * setup.scale, ...s.points.map((p) => p[1])), low = Math.min(-setup.scale, ...s.points.map((p) => p[1]));
    const shown = s.points.length <= 12 ? s.points : s.points.filter((_, i) => i % Math.ceil(s.points.length / 12) === 0);
    for (const point of shown) {
      row.append(el("input", { type: "range", min: low, max: high, step: (high - low) / 100, value: point[1], title: `at ${short(point[0])} ms`, "aria-label": `current at ${short(point[0])} ms`, oninput: (event) => {
        point[1] = Number(Number(event.target.value).toPrecision(4));
        this.update();
      } }));
    }
    return row;
  }

  buildRun() {
    const { setup } = this;
    const steps = [0.01, 0.025, 0.05, 0.1, 0.2, 0.25, 0.5, 1].filter((x) => setup.until / x <= 400000);
    if (!steps.includes(setup.dt)) steps.push(setup.dt);
    const dt = el("select", { id: "dt", onchange: () => {
      this.stopLive();
      setup.dt = Number(dt.value);
      this.update(true);
    } }, steps.sort((a, b) => a - b).map((x) => el("option", { value: x, selected: x === setup.dt }, `${x} ms`)));
    const until = slider({ name: "until", text: "duration", unit: "ms", low: 20, high: 2000, log: true, least: 1, most: 10000 }, setup.until, (x) => {
      this.stopLive();
      setup.until = x;
      this.update();
    });
    const method = `Method: ${setup.program.method}${setup.program.order === "exact" ? "" : `, order ${setup.program.order}`}.`;
    return el("div", { className: "sliders" }, until.node, el("label", { className: "field inline", for: "dt" }, el("span", {}, "time step"), dt), el("p", { className: "hint" }, method));
  }

  // ---------------------------------------------------------------- right

  buildMain() {
    this.numbers = el("div", { className: "numbers", "aria-live": "off" });
    this.traceHost = el("div", { className: "traces" });
    this.curveHost = el("div");
    this.phaseCanvas = el("canvas", { className: "phase", role: "img", "aria-label": "Phase plane" });
    this.phaseHead = el("h2", {}, "Phase plane");
    this.phaseKey = el("div", { className: "key" });
    this.curve = new Plot(this.curveHost, {
      series: [{ label: "A", stroke: "a", width: 2 }, { label: "B", stroke: "b", width: 2, show: false }],
      height: 15, xLabel: "current", label: "Firing rate against a constant current", marks: (context, u) => this.markPresent(context, u),
      readout: (i) => this.readCurve(i),
    });
    this.curveNote = el("span", { className: "readout" });
    this.curveHead = el("h2");
    this.curveCard = el("section", { className: "card" }, el("div", { className: "head" }, this.curveHead, this.curveNote), this.curveHost);
    this.phaseCard = el("section", { className: "card" }, el("div", { className: "head" }, this.phaseHead, this.phaseKey), this.phaseCanvas);
    this.liveButton = button("▶ Live", () => (this.live ? this.stopLive() : this.startLive()), "", "Let time run on; sliders act at once");
    this.controlHost = el("div", { className: "columns controls" });
    const save = el("div", { className: "tools" }, this.liveButton,
      button("Copy Python", () => copyText(pythonText(this.setup), "The Python is in your clipboard"), "primary", "The Python that does the same"),
      location.protocol === "about:" ? null : button("Copy link", () => copyText(location.href.split("#")[0] + writeLink("neuron", this.setup), "The link is in your clipboard"), "", "A link that keeps model and parameters"),
      button("PNG", () => savePng(this), "", "The traces as a picture"), button("SVG", () => saveSvg(this), "", "The traces as a drawing"), button("CSV", () => saveCsv(this), "", "Traces and spikes as a table"));
    this.main.append(el("section", { className: "card" }, el("div", { className: "head" }, this.numbers, save), this.traceHost), this.controlHost, el("div", { className: "columns" }, this.curveCard, this.phaseCard));
    new ResizeObserver(() => this.drawPhase()).observe(this.phaseCanvas);
    document.addEventListener("look", () => this.setup && this.update(true));
  }

  // Groups of states that share a plot: v with its threshold, then the others by unit.
  groups() {
    const { model, program } = this.setup, [first, ...rest] = model.states, out = [{ states: [first], unit: first.unit }];
    const onLevel = program.level?.state === first.name ? rest.filter((s) => s.name.startsWith("theta") && s.unit === first.unit && rest.length === 1) : [];
    for (const s of rest.filter((r) => !onLevel.includes(r))) {
      const last = out.slice(1).find((g) => g.unit === s.unit);
      if (last) last.states.push(s);
      else out.push({ states: [s], unit: s.unit });
    }
    return out;
  }

  buildTraces() {
    const { setup } = this, { model, compare } = setup;
    this.plots = [];
    this.traceHost.replaceChildren();
    const tones = ["a", "c", "e", "d", "b"];
    const add = (names, unit, options) => {
      const host = el("div"), readout = el("span", { className: "readout" });
      const several = names.length > 1 && !compare;
      const title = el("span", { className: "axis" }, names.flatMap((s, i) => [i ? ", " : null, several ? el("span", { className: `tone-${tones[i % 5]}` }, math(nameTree(s.name))) : math(nameTree(s.name))]), unit ? ` (${unitText(unit)})` : null);
      this.traceHost.append(el("div", { className: "head slim" }, title, readout), host);
      const plot = new Plot(host, { ...options, sync: "time", readout: (i) => (readout.textContent = i === null || i === undefined ? "" : this.read(i, options.at)) });
      this.plots.push({ plot, ...options });
      return host;
    };
    this.groups().forEach((group, g) => {
      const series = [];
      group.states.forEach((s, i) => {
        const level = g === 0 && setup.program.level?.state === s.name;
        if (level) series.push({ label: "threshold", stroke: "soft", width: 1.2, dash: [4, 4] });
        series.push({ label: s.name, stroke: compare ? "a" : tones[i % 5], width: 1.7 });
        if (compare) series.push({ label: `${s.name} B`, stroke: "b", width: 1.7, dash: group.states.length > 1 && i ? [6, 3] : undefined });
      });
      add(group.states, group.unit, {
        series, height: g === 0 ? 13 : 6.5, xLabel: null, label: `${group.states.map((s) => plainName(s.name)).join(", ")} over time`, group, first: g === 0,
        marks: g === 0 ? (context, u) => this.markSpikes(context, u) : null, at: (k) => group.states.map((s) => [s, k]),
      });
    });
    const drive = model.drive;
    if (drive) {
      const host = add([drive], drive.unit, { series: [{ label: drive.name, stroke: "ink", width: 1.5, stepped: true }], height: 7, xLabel: "time (ms)", label: "The current over time", current: true, at: null, marks: (context, u) => this.markDrawn(context, u) });
      host.classList.add("current-plot");
      this.enableDrawing(host, this.plots.at(-1).plot);
    } else {
      this.plots.at(-1).plot.xLabel = "time (ms)";
      this.plots.at(-1).plot.build();
    }
  }

  read(index, at) {
    const k = index * Math.max(1, Math.floor((this.setup.total + 1) / 6000));
    const { setup } = this, t = (k + (this.live?.begin ?? 0)) * setup.dt, run = this.results?.A;
    if (!run || k > setup.total) return "";
    if (at === null) return `${short(t)} ms   ${short(run.current[k])} ${unitText(setup.model.drive.unit)}`;
    const one = (r) => at(k).map(([s]) => `${plainName(s.name)} = ${short(r.traces[s.name][k])}`).join("  ");
    return `${short(t)} ms   ${one(run)}${this.results.B ? `   B: ${one(this.results.B)}` : ""}`;
  }

  // Run again at the next frame; once a frame, however often a slider moves. `now`: at once.
  update(now = false) {
    this.asked ??= performance.now();
    if (now) this.refresh();
    else if (!this.dirty) {
      this.dirty = true;
      requestAnimationFrame(() => this.dirty && this.refresh());
    }
  }

  refresh() {
    this.dirty = false;
    if (this.live) return this.changeLive();
    const { setup } = this, sets = setup.compare ? ["A", "B"] : ["A"];
    if (setup.total > 400000) setup.until = 400000 * setup.dt;
    this.results = Object.fromEntries(sets.map((which) => [which, setup.run(which)]));
    this.drawTraces();
    this.showNumbers();
    this.updates++;
    this.latency = performance.now() - this.asked;
    this.asked = undefined;
    clearTimeout(this.later);
    this.later = setTimeout(() => this.refine(), 0);
    this.onchange(setup);
  }

  drawTraces() {
    const { setup, results } = this, n = setup.total + 1, { dt } = setup;
    // no more points than can be told apart
    const every = Math.max(1, Math.floor(n / 6000)), count = Math.floor((n - 1) / every) + 1;
    const thin = (x) => (every === 1 ? x : Float64Array.from({ length: count }, (_, i) => x[i * every]));
    const begin = this.live ? this.live.begin * dt : 0, x = [begin, begin + setup.until];
    const t = Float64Array.from({ length: count }, (_, i) => begin + i * every * dt);
    for (const { plot, group, current, first } of this.plots) {
      if (current) {
        plot.set([t, thin(results.A.current)], { x, y: this.drawRange ?? spread(results.A.current, setup.scale) });
        continue;
      }
      const data = [t];
      for (const s of group.states) {
        if (first && setup.program.level?.state === s.name) data.push(thin(results.A.level));
        data.push(thin(results.A.traces[s.name]));
        if (results.B) data.push(thin(results.B.traces[s.name]));
      }
      plot.set(data, { x, y: first ? $withRoom(data.slice(1)) : null });
    }
  }

  markSpikes(context, u) {
    if (!this.results) return;
    drawSpikes(context, u, Object.entries(this.results).map(([which, r]) => [r.spikes, which === "A" ? "a" : "b"]));
  }

  showNumbers() {
    const { results } = this, hz = (x) => `${short(x, 3)} Hz`;
    const item = (text, of) => el("div", {}, el("span", { className: "what" }, text), ...Object.entries(results).map(([which, r]) => el("output", { className: `figure tone-${which === "A" ? "a" : "b"}`, "data-of": `${text} ${which}` }, of(r))));
    const broken = Object.values(results).some((r) => r.broken);
    this.numbers.replaceChildren(...[
      item("spikes", (r) => String(r.count)),
      item("rate", (r) => hz(r.rate)),
      item("mean interval", (r) => (Number.isFinite(r.interval) ? `${short(r.interval, 4)} ms` : "–")),
      item("CV", (r) => (Number.isFinite(r.cv) ? r.cv.toFixed(2) : "–")),
      broken ? el("p", { className: "problem", role: "alert" }, "The numbers overflowed: choose a smaller time step, or other parameters.") : null,
    ].filter(Boolean));
  }
}

const $withRoom = (rows) => {
  const [low, high] = $extent(rows);
  return low < high ? [low - (high - low) * 0.06, high + (high - low) * 0.16] : padded(low, high);
};

function $extent(rows) {
  let low = Infinity, high = -Infinity;
  for (const row of rows) for (const x of row) if (Number.isFinite(x)) [low, high] = [Math.min(low, x), Math.max(high, x)];
  return low <= high ? [low, high] : [0, 1];
}

// Where a state spends its time, with some room: the upswing of a spike is left out.
function $bulk(rows, level) {
  const all = Float64Array.from(rows.flatMap((r) => Array.from(r))).filter(Number.isFinite).sort();
  if (!all.length) return [0, 1];
  const low = all[0], high = all[Math.floor(0.97 * (all.length - 1))], room = 0.35 * (high - low || 1);
  const near = level.map((r) => r[0]).filter((x) => x < high + 3 * room);
  return [low - room, Math.max(high + room, ...near.map((x) => x + 0.2 * room))];
}

const $reach = (rows, more, room = 0.12) => {
  const [low, high] = $extent([...rows, ...more]), pad = (high - low || 1) * room;
  return [low - pad, high + pad];
};

function spread(current, scale) {
  const [low, high] = $extent([current]);
  return padded(Math.min(low, 0), Math.max(high, 0, low === high ? scale : 0));
}

function $interpolate(xs, ys, x) {
  const i = xs.findIndex((at) => at >= x);
  if (i <= 0) return ys[i === 0 ? 0 : ys.length - 1];
  return ys[i - 1] + ((ys[i] - ys[i - 1]) * (x - xs[i - 1])) / (xs[i] - xs[i - 1]);
}
