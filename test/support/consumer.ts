import { logInWith, type RotationWorld } from './rotation.js';

/** What a consumer has met until it is stopped. */
export interface Consumed {
  /** Refusals of what was still handed out after them. */
  dead: string[];
  logins: number;
}

/**
 * What a consumer does, over and over: reads the `.env` and logs in with what it holds. What was
 * replaced between reading and using is read again, as consumers do.
 */
export function consume(world: RotationWorld): { stop(): Promise<Consumed> } {
  let stopped = false;
  const dead: string[] = [];
  let logins = 0;
  const done = (async () => {
    while (!stopped) {
      const url = await world.handedOut();
      try {
        await logInWith(url);
        logins += 1;
      } catch (error) {
        if ((await world.handedOut()) === url) dead.push(String(error));
      }
    }
  })();
  return {
    stop: async () => {
      stopped = true;
      await done;
      return { dead, logins };
    },
  };
}
