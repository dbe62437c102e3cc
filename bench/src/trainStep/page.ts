import '@chorale/compute/testing/tapeGradients';
import { measure } from './measure.ts';

declare global {
  interface Window {
    /** Called by the bench from outside. */
    measure: typeof measure;
  }
}

window.measure = measure;
