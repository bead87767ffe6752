// A small network of excitatory and inhibitory neurons (Brunel 2000, model A), each with a fixed number of randomly
// chosen inputs: the rows of one neuron, run for all at once, and a ring of arrivals between them.

class SmallNetwork {
  constructor(program, { values, nE = 400, nI = 100, cE = 40, cI = 10, J = 0.5, g = 5, drive = 2, delay = 1.5, dt = 0.1, seed = 1 }) {
    const n = nE + nI;
    Object.assign(this, { n, nE, nI, dt, k: 0, times: [], neurons: [] });
    this.window = Math.round(delay / dt); // within a delay all neurons are independent
    this.weights = { exc: J, inh: -g * J, ext: J };
    const threshold = (1000 * values.theta) / (J * cE * values.tau); // Hz, of each of cE outer sources
    this.expected = new Float64Array(n).fill((drive * threshold * 1e-3 * cE) * dt);
    this.outer = deriveKey(seed, "outside");
    this.targets = connect(nE, nI, cE, cI, deriveKey(seed, "synapses"));
    this.due = this.empty();
    const ports = Object.fromEntries(["exc", "inh", "ext"].map((port) => [port, () => this.due[port]]));
    const start = uniforms(deriveKey(seed, "start"), n, 0, 1).map((u) => u * values.theta);
    this.simulation = new Simulation(program, { values, initial: { v: start }, ports, dt, n, seed, keep: false });
  }

  empty() {
    const size = this.window * this.n;
    return { exc: new Float64Array(size), inh: new Float64Array(size), ext: new Float64Array(size) };
  }

  // Carry on by one delay: what is sent in it arrives in the next.
  advance() {
    const { n, nE, expected, due, weights, targets } = this, to = this.k + this.window, next = this.empty();
    poissonCounts(this.outer, expected, this.k, to).forEach((count, i) => (due.ext[i] = weights.ext * count));
    const { spikes } = this.simulation.advance(to);
    for (let j = 0; j < spikes.length; j += 2) {
      const i = spikes[j + 1], port = i < nE ? "exc" : "inh", sums = next[port], w = weights[port], at = (spikes[j] - this.k - 1) * n;
      for (let e = targets.edges[i]; e < targets.edges[i + 1]; e++) sums[at + targets.list[e]] += w;
      this.times.push(spikes[j] * this.dt);
      this.neurons.push(i);
    }
    this.due = next;
    this.k = to;
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
  const draw = (first, count, wanted, stream) => {
    const own = deriveKey(0, String(key), stream);
    const chosen = Array.from({ length: n }, () => new Set());
    for (let k = 0, missing = n; missing; k += wanted) {
      const u = uniforms(own, n, k, k + wanted);
      for (let j = 0; j < wanted; j++) {
        for (let i = 0; i < n; i++) {
          const source = first + Math.floor(u[j * n + i] * count);
          if (source !== i && chosen[i].size < wanted) chosen[i].add(source);
        }
      }
      missing = chosen.filter((c) => c.size < wanted).length;
    }
    chosen.forEach((sources, i) => sources.forEach((source) => pairs.push([source, i])));
  };
  draw(0, nE, cE, "exc");
  draw(nE, nI, cI, "inh");
  const edges = new Int32Array(n + 1), list = new Int32Array(pairs.length);
  for (const [source] of pairs) edges[source + 1]++;
  for (let i = 0; i < n; i++) edges[i + 1] += edges[i];
  const at = Int32Array.from(edges);
  for (const [source, target] of pairs) list[at[source]++] = target;
  return { edges, list };
}
