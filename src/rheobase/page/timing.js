// The tab about timing: reliable spikes, a staircase that approaches ReLU, a small network.

class TimingTab {
  constructor(host, catalogue) {
    Object.assign(this, { host, catalogue, built: false });
  }

  model(id) {
    const model = this.catalogue.models.find((m) => m.id === id), values = Object.fromEntries(model.parameters.map((p) => [p.name, p.value]));
    return { program: this.catalogue.programs[model.program], values: { ...values, ...model.fixed } };
  }

  start() {
    if (this.built) return;
    this.built = true;
    this.reliability();
    this.staircase();
    this.network();
    document.addEventListener("look", () => this.redraw());
  }

  redraw() {
    this.drawReliability?.();
    this.drawNetwork?.();
  }

  card(heading, text, ...rest) {
    const card = el("section", { className: "card wide-card" }, el("h2", {}, heading), el("div", { className: "told" }, ...text), ...rest);
    this.host.append(card);
    return card;
  }

  // Do a long piece of work in slices; starting the next one ends this one.
  slices(name, work) {
    const token = (this[`${name}Token`] = {});
    const go = () => {
      if (token !== this[`${name}Token`]) return;
      const begin = performance.now();
      let more = true;
      while (more && performance.now() - begin < 12) more = work();
      if (more) setTimeout(go, 0);
    };
    go();
  }

  // ---------------------------------------------------------------- reliability

  reliability() {
    const { program, values } = this.model("reliability"), trials = 25, settings = { sigma: 0.03, sd: 1, seed: 4 }, dt = 0.1, until = 1000;
    const cases = [["with leak", 1, 0.65], ["without leak", 0, 0.15]].flatMap(([leakText, leak, a]) => ["constant", "fluctuating"].map((kind) => ({ leakText, leak, a, kind, run: null, canvas: el("canvas", { className: "raster", role: "img", "aria-label": `Spikes of ${trials} trials, ${leakText}, ${kind} current` }), figure: el("output", { className: "figure", "data-of": `reliability ${leak ? "leak" : "no leak"} ${kind}` }) })));
    const currents = Object.fromEntries(["constant", "fluctuating"].map((kind) => [kind, el("canvas", { className: "current", role: "img", "aria-label": `The ${kind} current` })]));
    const stimulus = (kind) => (kind === "constant" ? { kind: "step", amplitude: 1.5, base: 0, on: 10, off: 950 } : { kind: "noise", mean: 1.5, sd: settings.sd, tau: 3, on: 10, off: 950 });
    const start = () => uniforms(deriveKey(settings.seed, "start"), trials, 0, 1).map((u) => 0.2 * u);
    const compute = () => {
      const queue = cases.map((c) => ({ c, s: new Simulation(program, { values: { ...values, leak: c.leak, a: c.a, sigma: settings.sigma }, initial: { x: start() }, inputs: { I: sampleCurrent(stimulus(c.kind), dt, settings.seed, "I") }, dt, n: trials, seed: settings.seed, keep: false }), spikes: [] }));
      const total = until / dt;
      this.slices("reliability", () => {
        const job = queue.find((q) => q.s.k < total);
        if (!job) return false;
        for (const x of job.s.advance(Math.min(job.s.k + 500, total)).spikes) job.spikes.push(x);
        if (job.s.k >= total) {
          const times = [], neurons = [], trains = Array.from({ length: trials }, () => []);
          for (let i = 0; i < job.spikes.length; i += 2) {
            times.push(job.spikes[i] * dt);
            neurons.push(job.spikes[i + 1]);
            trains[job.spikes[i + 1]].push(job.spikes[i] * dt);
          }
          job.c.run = { times, neurons };
          job.c.value = schreiber(trains, 3, 500, until);
          job.c.figure.textContent = job.c.value.toFixed(2);
          job.c.figure.classList.toggle("good", job.c.value > 0.6);
          this.drawReliability();
          this.reliabilityDone = queue.every((q) => q.s.k >= total);
        }
        return true;
      });
    };
    this.reliabilityCases = cases;
    this.drawReliability = () => {
      const c = colours();
      for (const x of cases) if (x.run) drawRaster(x.canvas, { ...x.run, n: trials, from: 500, until: 950, colour: x.leak ? c.a : c.b, yLabel: "trial" });
      for (const kind of ["constant", "fluctuating"]) {
        const [context, w, h] = prepare(currents[kind]), data = sampleCurrent(stimulus(kind), dt, settings.seed, "I")(5000, 9500).data;
        if (w < 30) continue;
        const left = GUTTER * rem(), right = w - 0.7 * rem(), y = (v) => h / 2 - ((v - 1.5) / 4.4) * h * 0.9;
        context.strokeStyle = c.ink;
        context.lineWidth = 1.1;
        context.beginPath();
        for (let i = 0; i < data.length; i += 5) context.lineTo(left + (i / data.length) * (right - left), y(data[i]));
        context.stroke();
        context.font = font(0.74);
        context.fillStyle = c.soft;
        context.textAlign = "right";
        context.textBaseline = "middle";
        context.fillText("I", left - 0.4 * rem(), h / 2);
      }
    };
    const grid = el("div", { className: "grid-2" }, ["constant", "fluctuating"].map((kind) => el("div", {}, el("h3", {}, `${kind[0].toUpperCase()}${kind.slice(1)} current`), currents[kind], cases.filter((c) => c.kind === kind).map((c) => el("figure", {}, el("figcaption", { className: "head slim" }, el("span", { className: `tone-${c.leak ? "a" : "b"}` }, c.leakText), el("span", {}, "reliability ", c.figure)), c.canvas)))));
    this.card("Why leak? Reliable spikes", [
      el("p", {}, `The same current is given ${trials} times; each trial has its own noise. With a constant current the noise decides when spikes come. A fluctuating current makes the leaky neuron fire at the same moments in every trial: the leak forgets what the noise did. Without a leak nothing is forgotten.`),
      el("div", { className: "sliders row" }, slider({ name: "sigma", tree: ["msub", ["mi", "σ"], ["mtext", "noise"]], unit: "", low: 0, high: 0.1, least: 0 }, settings.sigma, (x) => {
        settings.sigma = x;
        compute();
      }).node, slider({ name: "sd", text: "fluctuation", unit: "", low: 0, high: 2, least: 0 }, settings.sd, (x) => {
        settings.sd = x;
        compute();
      }).node, button("Other random numbers", () => {
        settings.seed++;
        compute();
      }, "quiet")),
    ], grid);
    new ResizeObserver(() => this.drawReliability()).observe(grid);
    compute();
  }

  // ---------------------------------------------------------------- the staircase

  staircase() {
    const { program, values } = this.model("staircase"), settings = { T: 8, v: 0 }, host = el("div");
    const plot = new Plot(host, { series: [{ label: "ReLU", stroke: "soft", width: 1.6, dash: [6, 4] }, { label: "spikes a step", stroke: "a", width: 2.2 }], height: 16, xLabel: "constant input I", label: "Spikes a step against input: a staircase beside ReLU" });
    const error = el("output", { className: "figure", "data-of": "staircase error" });
    const I = $line(601, -0.5, 1.25), relu = I.map((x) => Math.max(0, x));
    const compute = () => {
      const data = Float64Array.from(I);
      const s = new Simulation(program, { values, initial: { v: settings.v }, inputs: { I: () => ({ data, step: 0, each: 1 }) }, dt: 1, n: I.length, keep: false });
      const counts = spikeCounts(s.advance(settings.T), I.length), rates = Array.from(counts, (c) => c / settings.T);
      this.stairs = { I, counts };
      const inside = I.map((x, i) => (x <= 1 ? Math.abs(rates[i] - relu[i]) : 0));
      error.textContent = short(Math.max(...inside), 2);
      plot.set([I, relu, rates], { x: [-0.5, 1.25], y: [-0.08, 1.32] });
    };
    const T = slider({ name: "T", tree: ["mi", "T"], unit: "steps", low: 1, high: 64, least: 1, most: 1000, whole: true }, settings.T, (x) => {
      settings.T = x;
      compute();
    });
    const v = slider({ name: "v", tree: ["msub", ["mi", "v"], ["mn", "0"]], unit: "", low: 0, high: 1 }, settings.v, (x) => {
      settings.v = x;
      compute();
    });
    this.card("From spikes to ReLU", [
      el("p", {}, "Count the spikes of an integrate-and-fire neuron with soft reset, ", math(["mrow", ["mi", "v"], ["mo", "←"], ["mi", "v"], ["mo", "−"], ["mi", "ϑ"]]), ", over ", math(["mi", "T"]), " steps. The count is a staircase under ReLU: more steps, finer stairs. That is why a trained ReLU network can be run with spikes, and why it needs time. Starting at ", math(["mrow", ["msub", ["mi", "v"], ["mn", "0"]], ["mo", "="], ["mfrac", ["mn", "1"], ["mn", "2"]]]), " rounds instead of cutting off."),
      el("div", { className: "sliders row" }, T.node, v.node, el("div", { className: "figures" }, el("div", {}, "largest error", error))),
      el("div", { className: "key" }, el("span", { className: "tone-a" }, "spikes a step"), el("span", { className: "tone-soft" }, "dashed: ReLU")),
    ], host);
    compute();
  }

  // ---------------------------------------------------------------- the network

  network() {
    const { program, values } = this.model("network"), settings = { g: 5, drive: 2, seed: 1 }, until = 400, dt = 0.1;
    const canvas = el("canvas", { className: "raster tall", role: "img", "aria-label": "Spikes of the network" });
    const outputs = Object.fromEntries(["E", "I", "cv"].map((name) => [name, el("output", { className: "figure", "data-of": `network ${name}` }, "–")]));
    let net = null;
    this.drawNetwork = () => {
      if (!net) return;
      const c = colours(), { n, nE } = net;
      drawRaster(canvas, { times: net.times, neurons: net.neurons, n, from: 0, until, colour: (i) => (i < nE ? c.a : c.b), bands: [[0, nE, "transparent", "E"], [nE, n, c.wash, "I"]] });
    };
    const compute = () => {
      this.networkDone = false;
      net = this.net = new SmallNetwork(program, { values, g: settings.g, drive: settings.drive, seed: settings.seed, dt });
      let drawn = 0;
      this.slices("network", () => {
        net.advance();
        const done = net.k * dt >= until - 1e-9;
        if (done || performance.now() - drawn > 60) {
          drawn = performance.now();
          this.drawNetwork();
        }
        if (done) {
          const s = net.statistics(100);
          outputs.E.textContent = `${short(s.E, 3)} Hz`;
          outputs.I.textContent = `${short(s.I, 3)} Hz`;
          outputs.cv.textContent = Number.isFinite(s.cv) ? s.cv.toFixed(2) : "–";
          this.networkDone = true;
        }
        return !done;
      });
    };
    const g = slider({ name: "g", tree: ["mi", "g"], unit: "", low: 0, high: 8, least: 0 }, settings.g, (x) => {
      settings.g = x;
      compute();
    });
    const drive = slider({ name: "drive", text: "drive", unit: "× threshold", low: 0.5, high: 4, least: 0, most: 20 }, settings.drive, (x) => {
      settings.drive = x;
      compute();
    });
    this.card("A small network", [
      el("p", {}, "400 excitatory neurons (E) and 100 inhibitory ones (I), each listening to 40 and 10 of them and to Poisson spikes from outside (Brunel 2000). ", math(["mi", "g"]), " is how much stronger an inhibitory synapse is; the drive is the outside rate in units of what would just reach the threshold. Below ", math(["mrow", ["mi", "g"], ["mo", "="], ["mn", "4"]]), " excitation wins and all fire together; above, firing is irregular."),
      el("div", { className: "sliders row" }, g.node, drive.node, button("Other random numbers", () => {
        settings.seed++;
        compute();
      }, "quiet")),
      el("div", { className: "figures" }, el("div", {}, "rate of E", outputs.E), el("div", {}, "rate of I", outputs.I), el("div", {}, "CV of intervals", outputs.cv)),
    ], canvas);
    new ResizeObserver(() => this.drawNetwork()).observe(canvas);
    compute();
  }
}
