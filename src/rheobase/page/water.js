// The rule of the buckets (seed 000), one frame of the animation at a time; levels in percent, times in ms.
//   held: +1 a frame; a short click (under 200 ms): +25 a frame for 100 ms. While water is added nothing leaks;
//   otherwise the level falls by the exact decay exp(-dt/tau). A bucket that fires takes no water while refractory.

const CLICK = { shorter: 200, lasts: 100, adds: 25 };

class Water {
  constructor({ tau, fires = false, refractory = 3000, rim = 100, level = 0 }) {
    Object.assign(this, { tau, fires, refractory, rim, level });
    this.last = null;
    this.pressed = null;
    this.fillUntil = -Infinity;
    this.splashes = 0; // frames of a click still to come, so that a click fills the bucket on slow screens, too
    this.firedAt = -Infinity;
    this.spikes = [];
  }

  isRefractory(now) {
    return this.fires && now < this.firedAt + this.refractory;
  }

  press(now) {
    if (!this.isRefractory(now)) this.pressed = now;
  }

  release(now) {
    if (this.pressed !== null && now - this.pressed < CLICK.shorter) this.click(now);
    this.pressed = null;
  }

  click(now) {
    if (this.isRefractory(now)) return;
    this.fillUntil = now + CLICK.lasts;
    this.splashes = 100 / CLICK.adds;
  }

  // Carry on to the time of a frame; returns whether the bucket fires in it.
  frame(now) {
    const dt = this.last === null ? 0 : now - this.last;
    this.last = now;
    this.adding = false;
    if (this.isRefractory(now)) {
      this.level = 0;
      this.pressed = null;
      this.fillUntil = -Infinity;
      this.splashes = 0;
      return false;
    }
    const splash = now < this.fillUntil || this.splashes > 0;
    if (splash || this.pressed !== null) {
      this.adding = true;
      this.splashes--;
      this.level = Math.min(100, this.level + (splash ? CLICK.adds : 1));
    } else this.level *= Math.exp(-dt / this.tau);
    if (!this.fires || this.level < this.rim) return false;
    this.firedAt = now;
    this.spikes.push(now);
    this.level = 0;
    return true;
  }
}
