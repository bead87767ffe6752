// What is set on the page for one neuron, and what a run of it gives. No document here: it runs in Node as well.

// The kinds of stimulus, and their numbers in order: [name, text, unit ("I": the current's), kind of value].
const STIMULI = {
  step: { text: "Step", fields: [["amplitude", "height", "I", "current"], ["on", "from", "ms", "time"], ["off", "to", "ms", "time"]] },
  pulses: { text: "Pulses", fields: [["amplitude", "height", "I", "current"], ["on", "first at", "ms", "time"], ["width", "width", "ms", "width"], ["period", "every", "ms", "width"], ["count", "how many", "", "count"]] },
  ramp: { text: "Ramp", fields: [["first", "from", "I", "current"], ["last", "to", "I", "current"], ["on", "begins", "ms", "time"], ["off", "ends", "ms", "time"]] },
  noise: { text: "Noise", fields: [["mean", "mean", "I", "current"], ["sd", "std. dev.", "I", "spread"], ["tau", "correlation", "ms", "width"]] },
  poisson: { text: "Poisson spikes", fields: [] },
  drawn: { text: "Draw", fields: [] },
  pieces: { text: "The author's", fields: [] },
};

class Setup {
  constructor(model, program) {
    Object.assign(this, { model, program, compare: false, dt: model.dt ?? 0.1, until: model.until ?? 200, seed: 1 });
    this.A = Object.fromEntries(model.parameters.map((p) => [p.name, p.value]));
    this.B = { ...this.A };
    this.others = Object.fromEntries(model.others.map((o) => [o.name, 0]));
    this.ports = Object.fromEntries(model.ports.map((p, i) => [p.name, { rate: i ? 0 : 400, weight: p.weight }]));
    this.steady = 0; // the current beside Poisson spikes
    this.scale = model.drive ? firingCurrent(this) : 0;
    const { until, scale } = this, round = (x) => Number(x.toPrecision(2)), top = round(1.6 * scale);
    this.stimuli = {
      step: { kind: "step", amplitude: top, base: 0, on: round(0.1 * until), off: round(0.9 * until) },
      pulses: { kind: "pulses", amplitude: round(3 * scale), base: 0, on: round(0.1 * until), width: round(0.04 * until), period: round(0.15 * until), count: 5 },
      ramp: { kind: "ramp", first: 0, last: round(2.5 * scale), on: round(0.1 * until), off: round(0.9 * until) },
      noise: { kind: "noise", mean: round(0.9 * scale), sd: round(0.5 * scale), tau: 3, on: 0, off: Infinity },
      poisson: { kind: "poisson" },
      drawn: { kind: "drawn", points: [[0, 0], [0.1, 0], [0.25, 1.6], [0.45, 0.6], [0.6, 2.2], [0.75, 1.2], [0.9, 0], [1, 0]].map(([t, i]) => [round(t * until), round(i * scale)]) },
    };
    if (model.pieces) this.stimuli.pieces = { kind: "pieces", pieces: model.pieces };
    this.kind = model.pieces ? "pieces" : model.drive ? "step" : "poisson";
    if (!model.drive) for (const [name, port] of Object.entries(this.ports)) port.rate = name.startsWith("inh") ? 100 : 1500;
  }

  get kinds() {
    return Object.keys(STIMULI).filter((kind) => (kind === "poisson" ? this.model.ports.length : kind === "pieces" ? this.model.pieces : this.model.drive));
  }

  get stimulus() {
    return this.stimuli[this.kind];
  }

  // What `Simulation` takes, for a set of parameters.
  job(which, more = {}) {
    const { model, program, dt, seed } = this, drive = model.drive?.name, inputs = {}, ports = {};
    const values = { ...model.fixed, ...this[which], ...this.others };
    if (this.kind === "poisson") {
      if (drive) values[drive] = this.steady;
      for (const [name, port] of Object.entries(this.ports)) {
        if (port.rate > 0) ports[name] = samplePort(port, dt, seed, name, program.additive.includes(name));
      }
    } else inputs[drive] = sampleCurrent(this.stimulus, dt, seed, drive);
    const initial = Object.fromEntries(model.states.filter((s) => s.initial !== null).map((s) => [s.name, s.initial]));
    return { values, inputs, ports, initial, dt, seed, currents: model.currents, ...more };
  }

  get total() {
    return Math.max(1, Math.round(this.until / this.dt));
  }

  // Run a set: traces, the current at each step, spike times, and numbers about them.
  run(which) {
    const job = this.job(which), s = new Simulation(this.program, job), run = s.advance(this.total), dt = this.dt;
    const drive = this.model.drive?.name, input = drive ? run.inputs[drive] : null;
    const current = new Float64Array(this.total + 1);
    for (let k = 0; k < this.total; k++) current[k] = input ? input.data[k * input.step] : 0;
    current[this.total] = current[this.total - 1];
    const spikes = spikeTimes(run, dt), broken = !Object.values(s.at).every((x) => Number.isFinite(x[0]));
    const steps = run.spikes.filter((_, i) => i % 2 === 0);
    const numbers = { ...statistics(spikes, this.window()), ...threshold(this, job.values, run.traces, current) };
    return { traces: run.traces, current, spikes, steps, broken, values: job.values, ...numbers };
  }

  // When the stimulus is on: what a rate refers to.
  window() {
    const s = this.stimulus;
    return s.kind === "step" && s.off > s.on ? [Math.min(s.on, this.until), Math.min(s.off, this.until)] : [0, this.until];
  }

  // The port whose rate is varied where there is no current: the first that takes spikes at all.
  get port() {
    return this.model.drive ? null : this.model.ports[0]?.name ?? null;
  }

  // The current (or rate) at which a point stands on the f-I curve.
  get present() {
    const s = this.stimulus;
    if (this.port) return this.ports[this.port].rate;
    if (s.kind === "step" || s.kind === "pulses") return s.amplitude;
    if (s.kind === "noise") return s.mean;
    if (s.kind === "poisson") return this.steady;
    if (s.kind === "ramp") return s.last;
    const points = s.kind === "drawn" ? s.points.map((p) => p[1]) : s.pieces.map((p) => p[2]);
    return points.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a), 0);
  }
}

function statistics(spikes, [on, off]) {
  const gaps = spikes.slice(1).map((t, i) => t - spikes[i]), mean = gaps.reduce((a, b) => a + b, 0) / gaps.length;
  const variance = gaps.reduce((a, x) => a + (x - mean) ** 2, 0) / gaps.length;
  const inside = spikes.filter((t) => t > on && t <= off).length;
  return { count: spikes.length, rate: (1000 * inside) / (off - on), interval: gaps.length ? mean : NaN, cv: gaps.length > 1 ? Math.sqrt(variance) / mean : NaN, gaps };
}

// The level that has to be crossed to fire, over time; null where there is none.
function threshold({ program, model, dt }, values, traces, current) {
  if (!program.level) return { level: null };
  const out = new Float64Array(current.length), env = { ...values }, at = program.states.map(() => 0);
  for (let k = 0; k < out.length; k++) {
    program.states.forEach((s, i) => (at[i] = traces[s][k]));
    if (model.drive) env[model.drive.name] = current[k];
    out[k] = program.level.at(at, env, k * dt);
  }
  return { level: out, levelOf: program.level.state };
}

// Steady rates for a list of constant currents, all neurons in one run, in pieces of limited work.
class Curve {
  constructor(setup, which, currents, duration) {
    // an exact step costs nothing but the grid on which spikes lie: a finer one makes the curve smooth
    const drive = setup.model.drive?.name, port = setup.port, data = Float64Array.from(currents), dt = setup.program.method === "exact" && !setup.model.random ? setup.dt / 4 : setup.dt;
    this.currents = currents;
    this.total = Math.round(duration / dt);
    this.dt = dt;
    this.spikes = [];
    const job = setup.job(which, { n: currents.length, keep: false, dt });
    if (drive) {
      delete job.values[drive];
      Object.assign(job, { ports: {}, inputs: { [drive]: () => ({ data, step: 0, each: 1 }) } });
    } else {
      for (const [name, source] of Object.entries(setup.ports)) {
        job.ports[name] = samplePort(name === port ? { ...source, rate: data } : source, dt, setup.seed, name, setup.program.additive.includes(name), data.length);
      }
    }
    this.simulation = new Simulation(setup.program, job);
  }

  get done() {
    return this.simulation.k >= this.total;
  }

  // Go on for about so many ms of computing.
  work(ms) {
    const begin = performance.now();
    let steps = 40;
    while (!this.done && performance.now() - begin < ms) {
      const before = performance.now(), to = Math.min(this.simulation.k + steps, this.total);
      for (const x of this.simulation.advance(to).spikes) this.spikes.push(x);
      if (performance.now() - before < ms / 8) steps *= 2;
    }
    return this.done;
  }

  get rates() {
    return steadyRates(this.spikes, this.currents.length, this.dt, this.total);
  }
}

// About the smallest current that makes the neuron fire again and again: where sliders and curves begin to be of use.
function firingCurrent(setup) {
  const { model, program } = setup;
  const wanted = model.random ? 3 : 2, duration = Math.max(Math.min(setup.until, 400), 150);
  const search = (currents) => {
    const job = { values: { ...model.fixed, ...setup.A, ...setup.others }, initial: Object.fromEntries(model.states.filter((s) => s.initial !== null).map((s) => [s.name, s.initial])), dt: setup.dt, n: currents.length, keep: false, seed: 1, currents: model.currents };
    const data = Float64Array.from(currents);
    job.inputs = { [model.drive.name]: () => ({ data, step: 0, each: 1 }) };
    const run = new Simulation(program, job).advance(Math.round(duration / setup.dt));
    const counts = spikeCounts(run, currents.length);
    return currents.findIndex((_, i) => counts[i] >= wanted);
  };
  const rough = Array.from({ length: 49 }, (_, i) => 10 ** (-3 + i / 8)), at = search(rough);
  if (at < 0) return 1;
  if (at === 0) return rough[8];
  const fine = Array.from({ length: 24 }, (_, i) => rough[at - 1] + ((rough[at] - rough[at - 1]) * (i + 1)) / 24);
  return fine[Math.max(search(fine), 0)];
}
