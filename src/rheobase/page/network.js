// A small network of excitatory and inhibitory neurons (Brunel 2000, model A), each with a fixed number of randomly
// chosen inputs: the rows of one neuron, run for all at once, and a ring of arrivals between them.

class SmallNetwork {
  constructor(program, { values, nE = 400, nI = 100, cE = 40, cI = 10, J = 0.5, g = 5, drive = 2, delay = 1.5, dt = 0.1, seed = 1 }) {
    const n = nE + nI;
    Object.assign(this, { n, nE, nI, dt, k: 0, times: [], neurons: [] });
    this.slots = Math.round(delay / dt);
    this.ring = { exc: new Float64Array(n * (this.slots + 1)), inh: new Float64Array(n * (this.slots + 1)) };
    this.weights = { exc: J, inh: -g * J };
    const threshold = (1000 * values.theta) / (J * cE * values.tau); // Hz, of each of cE outer sources
    this.expected = (drive * threshold * 1e-3 * cE) * dt;
    this.outer = deriveKey(seed, "outside");
    this.targets = connect(nE, nI, cE, cI, deriveKey(seed, "synapses"));
    const take = (port) => (k) => this.due(port, k);
    const ports = { exc: take("exc"), inh: take("inh"), ext: (k) => this.ext.subarray((k - this.extFrom) * n, (k - this.extFrom + 1) * n) };
    const start = uniforms(deriveKey(seed, "start"), n, 0, 1).map((u) => u * values.theta);
    this.simulation = new Simulation(program, { values, initial: { v: start }, ports, dt, n, seed, keep: false });
    this.J = J;
  }

  due(port, k) {
    const { n } = this, at = ((k + 1) % (this.slots + 1)) * n, ring = this.ring[port], out = ring.slice(at, at + n);
    ring.fill(0, at, at + n);
    return out;
  }

  advance(steps) {
    const { n, expected } = this, to = this.k + steps;
    const u = uniforms(this.outer, n, this.k, to), least = Math.exp(-expected);
    this.extFrom = this.k;
    this.ext = new Float64Array(u.length);
    for (let i = 0; i < u.length; i++) if (u[i] > least) this.ext[i] = this.J * poissonCount(expected, u[i]);
    while (this.k < to) {
      const { spikes } = this.simulation.advance(this.k + 1);
      this.k++;
      const at = ((this.k + this.slots) % (this.slots + 1)) * n;
      for (let j = 1; j < spikes.length; j += 2) {
        const i = spikes[j], port = i < this.nE ? "exc" : "inh", ring = this.ring[port], w = this.weights[port];
        for (let e = this.targets.edges[i]; e < this.targets.edges[i + 1]; e++) ring[at + this.targets.list[e]] += w;
        this.times.push(this.k * this.dt);
        this.neurons.push(i);
      }
    }
  }

  // Rates of both populations in Hz, and the mean CV of intervals, from `start` ms on.
  statistics(start) {
    const { n, nE, nI, dt } = this, span = this.k * dt - start, counts = [0, 0], trains = Array.from({ length: n }, () => []);
    this.times.forEach((t, j) => {
      if (t <= start) return;
      counts[this.neurons[j] < nE ? 0 : 1]++;
      trains[this.neurons[j]].push(t);
    });
    const cvs = trains.filter((t) => t.length > 3).map((t) => statistics(t, [0, 1]).cv).filter(Number.isFinite);
    return { E: (1000 * counts[0]) / (nE * span), I: (1000 * counts[1]) / (nI * span), cv: cvs.length ? cvs.reduce((a, b) => a + b, 0) / cvs.length : NaN };
  }
}

// Who sends to whom: every neuron gets cE excitatory and cI inhibitory sources, all different, none itself.
function connect(nE, nI, cE, cI, key) {
  const n = nE + nI, pairs = [];
  const draw = (i, first, count, wanted, stream) => {
    const chosen = new Set(), halves = deriveKey(0, `${key}`, stream, i);
    let taken = 0, u = uniforms(halves, 1, 0, 4 * wanted);
    while (chosen.size < wanted) {
      if (taken === u.length) [u, taken] = [uniforms(halves, 1, u.length, 2 * u.length), 0];
      const source = first + Math.floor(u[taken++] * count);
      if (source !== i) chosen.add(source);
    }
    for (const source of chosen) pairs.push([source, i]);
  };
  for (let i = 0; i < n; i++) {
    draw(i, 0, nE, cE, "exc");
    draw(i, nE, nI, cI, "inh");
  }
  const edges = new Int32Array(n + 1), list = new Int32Array(pairs.length);
  for (const [source] of pairs) edges[source + 1]++;
  for (let i = 0; i < n; i++) edges[i + 1] += edges[i];
  const at = Int32Array.from(edges);
  for (const [source, target] of pairs) list[at[source]++] = target;
  return { edges, list };
}
