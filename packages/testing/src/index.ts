export { seededRandom } from './seededRandom.ts';
export type { SeededRandom } from './seededRandom.ts';
export { randomValues } from './randomValues.ts';
export { relativeDifference, expectClose } from './tolerance.ts';
export { chiSquareExcess, moments, normalCdf, normalKsStatistic } from './statistics.ts';
