// Runs the programs that rheobase/emit/to_js.py prints, in the order of operations of rheobase/engines/reference.py.

// Return round(time/dt), halves up.
const countSteps = (time, dt) => Math.floor(time / dt + 0.5 + 1e-9);

// The numbers that a run holds fixed: parameters, coefficients of the exact method, refractory times in steps.
function heldValues(program, values, dt) {
  const held = { ...values };
  if (program.coefficients.length) Object.assign(held, coefficients(program, values, dt));
  for (const [target, name] of Object.entries(program.refractory)) held[`_steps_${target}`] = countSteps(values[name], dt);
  return held;
}

function coefficients(program, values, dt) {
  const { a, b, c, g } = program.matrices(values);
  const n = program.states.length;
  const out = {};
  program.clamps.forEach((clamp, number) => {
    const wanted = program.coefficients.filter((x) => x[1] === number);
    if (!wanted.length) return;
    const fixed = program.states.map((s) => clamp.includes(s));
    const block = zeros(2 * n, 2 * n);
    for (let i = 0; i < n; i++) {
      if (fixed[i]) continue;
      for (let j = 0; j < n; j++) block[i][j] = a[i][j];
      block[i][n + i] = 1;
    }
    const e = exponential(block, dt);
    const integral = e.slice(0, n).map((row) => row.slice(n));
    const q = times(integral, b), r = times(integral, c);
    const factor = program.normals ? noiseFactor(program, a, g, fixed, dt) : null;
    for (const [name, , row, column] of wanted) {
      if (column === "c") out[name] = r[row][0];
      else if (column[0] === "u") out[name] = q[row][Number(column.slice(1))];
      else if (column[0] === "z") out[name] = factor[row][Number(column.slice(1))];
      else out[name] = e[row][Number(column)];
    }
  });
  return out;
}

// L with L L^T = integral of exp(A s) G G^T exp(A^T s) over a step (Van Loan 1978); columns are the noisy states.
function noiseFactor(program, a, g, fixed, dt) {
  const n = a.length;
  const moving = (m) => m.map((row, i) => (fixed[i] ? row.map(() => 0) : row));
  const drift = moving(a), noise = moving(g);
  const q = times(noise, noise[0].map((_, j) => noise.map((row) => row[j])));
  const block = zeros(2 * n, 2 * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      block[i][j] = -drift[i][j];
      block[i][n + j] = q[i][j];
      block[n + i][n + j] = drift[j][i];
    }
  }
  const e = exponential(block, dt);
  const flow = zeros(n, n);
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) flow[i][j] = e[n + j][n + i];
  const covariance = times(flow, e.slice(0, n).map((row) => row.slice(n)));
  const noisy = program.noisy, m = noisy.length;
  const small = noisy.map((i) => noisy.map((j) => covariance[i][j]));
  const factor = zeros(m, m);
  for (let j = 0; j < m; j++) {
    let d = small[j][j];
    for (let k = 0; k < j; k++) d -= factor[j][k] ** 2;
    const tiny = d <= 1e-14 * Math.max(small[j][j], 1e-300);
    factor[j][j] = tiny ? 0 : Math.sqrt(d);
    for (let i = j + 1; i < m; i++) {
      let rest = small[i][j];
      for (let k = 0; k < j; k++) rest -= factor[i][k] * factor[j][k];
      factor[i][j] = tiny ? 0 : rest / factor[j][j];
    }
  }
  const out = zeros(n, m);
  noisy.forEach((i, at) => (out[i] = factor[at]));
  return out;
}

const isCurrent = (name) => name === "I" || name.startsWith("I_");

// Where a neuron starts when nobody says: at rest without input, as rheobase/derive/rest.py finds it.
function restState(program, values, given, currents) {
  const states = program.states;
  const env = { ...values };
  for (const u of program.varying) if (!(u in env)) env[u] = 0;
  for (const name of Object.keys(env)) if (isCurrent(name)) env[name] = currents[name] ?? 0;
  const start = states.map(() => 0);
  for (const [s, x] of program.restart(env, 0)) start[states.indexOf(s)] = x;
  let x = [...start], found = null;
  for (let turn = 0; turn < 60; turn++) {
    const f = program.drift(x, env, 0), j = program.jacobian(x, env, 0);
    const move = [...f, ...j.flat()].every(Number.isFinite) ? solve(j, f) : null;
    if (move === null || !move.every((m) => Math.abs(m) <= 1e12)) break;
    x = x.map((value, i) => value - move[i]);
    if (move.every((m, i) => Math.abs(m) <= 1e-12 * (1 + Math.abs(x[i])))) {
      if (isStable(program.jacobian(x, env, 0))) found = x;
      break;
    }
  }
  const above = found !== null && program.fires !== undefined && program.fires(found, env, 0);
  const out = {};
  states.forEach((s, i) => {
    const rest = found === null || (above && program.moved.includes(s)) ? start[i] : found[i];
    out[s] = given[s] ?? rest;
  });
  return out;
}

// A run in progress of n neurons of one program; `advance` carries it forward, and any split gives the same bits.
//   values    name -> number                          parameters, and inputs that do not change
//   initial   name -> number or Float64Array(n)       initial values; what is missing starts at rest
//   inputs    name -> (k0, k1) -> {data, step, each}  what varies: data[(k - k0) step + i each]
//   ports     name -> (k0, k1) -> Float64Array(rows n) of sums of weights, or {edges, weights} for each arrival
class Simulation {
  constructor(program, { values, initial = {}, inputs = {}, ports = {}, dt, n = 1, seed = 0, keep = true, name = "", currents = {} }) {
    Object.assign(this, { program, values, inputs, ports, dt, n, keep, k: 0 });
    this.held = heldValues(program, values, dt);
    const start = restState(program, values, initial, currents);
    this.at = {};
    for (const s of program.states) {
      this.at[s] = typeof start[s] === "number" ? new Float64Array(n).fill(start[s]) : Float64Array.from(start[s]);
    }
    this.left = {};
    for (const target of Object.keys(program.refractory)) this.left[target] = new Int32Array(n);
    this.keys = { hazard: deriveKey(seed, name, "hazard"), noise: deriveKey(seed, name, "noise") };
    this.streams = Array.from({ length: program.normals }, (_, j) => deriveKey(seed, name, "noise", String(j)));
  }

  // Carry the run to step `to`; return spikes [step, neuron, step, neuron, ...] and traces (state at each step).
  advance(to) {
    const { program, n, dt, k: from } = this;
    const rows = to - from, traces = {}, inputs = {}, sums = {}, turns = {};
    for (const s of program.states) {
      traces[s] = new Float64Array(this.keep ? (rows + 1) * n : 0);
      if (this.keep) traces[s].set(this.at[s]);
    }
    for (const u of program.varying) {
      inputs[u] = this.inputs[u]?.(from, to) ?? { data: Float64Array.of(this.values[u] ?? 0), step: 0, each: 0 };
    }
    for (const [port, take] of Object.entries(this.ports)) {
      (program.additive.includes(port) ? sums : turns)[port] = take(from, to);
    }
    const spikes = [];
    program.advance({
      n, dt, from, to, keep: this.keep, spikes, at: this.at, traces, left: this.left, held: this.held, inputs, sums, turns,
      normals: this.streams.map((key) => normals(key, n, from, to, this.keys.noise)),
      uniforms: program.hazard ? uniforms(this.keys.hazard, n, from, to, this.keys.noise) : null,
    });
    this.k = to;
    return { from, to, n, spikes, traces, inputs };
  }
}
