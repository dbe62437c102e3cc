/** Nodes and weights of Gauss-Legendre quadrature on [0, 1] (Abramowitz & Stegun, table 25.4). */
export type Quadrature = { nodes: readonly number[]; weights: readonly number[] };

function onUnitInterval(nodes: readonly number[], weights: readonly number[]): Quadrature {
  return { nodes: nodes.map((x) => (1 + x) / 2), weights: weights.map((w) => w / 2) };
}

/** Exact for polynomials of degree 5; for exp(a·x) with a ≤ 0.05 to 1e-14. */
export const THREE_POINTS = onUnitInterval(
  [-0.7745966692414834, 0, 0.7745966692414834],
  [5 / 9, 8 / 9, 5 / 9],
);

/** Exact for polynomials of degree 15; for exp(a·x) with a ≤ 3 to 1e-15. */
export const EIGHT_POINTS = onUnitInterval(
  [
    -0.9602898564975363, -0.7966664774136267, -0.525532409916329, -0.1834346424956498, 0.1834346424956498,
    0.525532409916329, 0.7966664774136267, 0.9602898564975363,
  ],
  [
    0.1012285362903763, 0.2223810344533745, 0.3137066458778873, 0.362683783378362, 0.362683783378362,
    0.3137066458778873, 0.2223810344533745, 0.1012285362903763,
  ],
);
