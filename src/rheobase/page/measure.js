// What is read off a run: rates, the f-I curve, reliability.

// Spike times in ms of one neuron of a run.
function spikeTimes(run, dt, neuron = 0) {
  const out = [];
  for (let i = 0; i < run.spikes.length; i += 2) if (run.spikes[i + 1] === neuron) out.push(run.spikes[i] * dt);
  return out;
}

// Spikes of each of n neurons.
function spikeCounts(run, n) {
  const out = new Int32Array(n);
  for (let i = 1; i < run.spikes.length; i += 2) out[run.spikes[i]]++;
  return out;
}

// The steady rate of each neuron in Hz: from the intervals in the second half of the run where they fill it, else from
// the number of spikes in it.
function steadyRates(spikes, n, dt, total) {
  const first = new Float64Array(n).fill(-1), last = new Float64Array(n), counts = new Int32Array(n);
  for (let i = 0; i < spikes.length; i += 2) {
    const k = spikes[i], j = spikes[i + 1];
    if (k * 2 < total) continue;
    if (first[j] < 0) first[j] = k;
    last[j] = k;
    counts[j]++;
  }
  return Array.from(counts, (c, j) => (last[j] - first[j] > total / 4 ? (1000 * (c - 1)) / ((last[j] - first[j]) * dt) : (1000 * c) / ((total * dt) / 2)));
}

// Schreiber's reliability, as rheobase.schreiber computes it: the mean correlation of all pairs of spike trains smoothed
// by a Gaussian of width sigma (ms); inner products without a grid. Only spikes in (start, until] are used.
function schreiber(trains, sigma, start, until) {
  const cut = trains.map((times) => times.filter((t) => t > start && t <= until));
  const product = (a, b) => {
    let sum = 0, low = 0;
    for (const t of a) {
      while (low < b.length && b[low] < t - 12 * sigma) low++;
      for (let j = low; j < b.length && b[j] <= t + 12 * sigma; j++) sum += Math.exp(-((t - b[j]) ** 2) / (4 * sigma * sigma));
    }
    return sum;
  };
  const norms = cut.map((times) => Math.sqrt(product(times, times)));
  let sum = 0;
  for (let i = 0; i < cut.length; i++) {
    for (let j = 0; j < i; j++) if (norms[i] > 0 && norms[j] > 0) sum += product(cut[i], cut[j]) / (norms[i] * norms[j]);
  }
  return (2 * sum) / (cut.length * (cut.length - 1));
}
