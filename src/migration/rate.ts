/** Pause and ceiling of what is copied in the background: paused moves stand still where they are. */
import { native } from '../native.js';
import type { MigrationSettings } from './deps.js';

export interface Rate {
  readonly paused: boolean;
  pause(paused: boolean): void;
  /** A rate of 0 pauses, another one after it goes on. */
  settingsChanged(): void;
  /** For what a program waits for: neither pause nor ceiling. */
  foreground<T>(work: () => Promise<T>): Promise<T>;
  /** For what a person waits for: no pause. */
  unpaused<T>(work: () => Promise<T>): Promise<T>;
  /** From now on all that is left is to end. */
  lift(): void;
}

export function createRate(settings: Pick<MigrationSettings, 'migrateRate'>): Rate {
  let stopped = settings.migrateRate === 0;
  let paused = stopped;
  let lifted = 0;
  let awaited = 0;
  apply();

  function apply(): void {
    const ceiling = lifted > 0 || settings.migrateRate === 0 ? Infinity : settings.migrateRate;
    native.setBackgroundRate(ceiling, paused && lifted === 0 && awaited === 0);
  }

  function lift(by: 1 | -1): void {
    lifted += by;
    apply();
  }

  function wait(by: 1 | -1): void {
    awaited += by;
    apply();
  }

  async function during<T>(count: (by: 1 | -1) => void, work: () => Promise<T>): Promise<T> {
    count(1);
    try {
      return await work();
    } finally {
      count(-1);
    }
  }

  return {
    get paused() {
      return paused;
    },
    pause(now) {
      paused = now;
      apply();
    },
    settingsChanged() {
      const stops = settings.migrateRate === 0;
      if (stops !== stopped) paused = stops;
      stopped = stops;
      apply();
    },
    foreground: (work) => during(lift, work),
    unpaused: (work) => during(wait, work),
    lift: () => lift(1),
  };
}
