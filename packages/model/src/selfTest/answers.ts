import type { Fingerprint } from './fingerprint.ts';

/**
 * What `fixedStep` must give, in the order in which it is computed: PyTorch 1.13 in float64 on
 * `torch.nn.functional.multi_head_attention_forward`, `layer_norm`, `gelu` and `cross_entropy`, gradients by its autograd.
 */
export const ANSWERS: Readonly<Record<string, Fingerprint>> = {
  'activation gelu': [16.8291199, -17.7753276, 4.56863545, 13.6022219],
  'gradient of activation gelu': [4.88886371, -3.20734225, -4.55525743, 3.38558141],
  'activation gelu-tanh': [16.830216, -17.7766967, 4.56852905, 13.6033679],
  'gradient of activation gelu-tanh': [4.88928266, -3.20714864, -4.55084115, 3.39045916],
  'activation relu': [17.0792142, -18.6831055, 6.99267578, 12.9667969],
  'gradient of activation relu': [4.77752587, -2.80578613, -5.52642822, 2.53790283],
  'activation tanh': [9.53493168, -5.9017528, 0.523818566, 3.65614809],
  'gradient of activation tanh': [2.66970979, 0.140019982, -2.48485043, 1.54053242],
  'hidden state': [35.2189286, 11.9978076, -15.8842569, -37.0917342],
  'pooled state': [4.15154892, -5.10736339, 4.11869581, -0.948848963],
  logits: [1.12621311, -1.29154297, -0.64894341, -0.819416132],
  losses: [1.82100174, -0.745088986, 2.46514444, -0.745088986],
  'gradient of the head': [3.67895497, -5.6619367, 0.0686450719, 2.05798362],
  "gradient of the head's bias": [1.22662678, -1.2110648, 0.555927862, -0.168724882],
  'gradient of B of encoder.layer.0.output.dense': [2.42791838, -0.165669392, -3.90325149, 4.26239891],
  'gradient of A of encoder.layer.0.output.dense': [4.94869797, -0.23252285, 6.24041022, -4.44016526],
  'gradient of B of encoder.layer.0.intermediate.dense': [3.99273598, -3.52862143, -4.06591687, 2.17346421],
  'gradient of A of encoder.layer.0.intermediate.dense': [4.12336665, 0.780781914, 1.57262802, -1.85919875],
  'gradient of B of encoder.layer.0.attention.output.dense': [
    4.86661194, 2.70351311, 4.21446013, -1.24221862,
  ],
  'gradient of A of encoder.layer.0.attention.output.dense': [
    2.42222367, -1.3983536, -2.51811151, -1.92498488,
  ],
  'gradient of B of encoder.layer.0.attention.self.query': [
    1.68847385, 0.208596643, -1.40559265, -0.757175222,
  ],
  'gradient of A of encoder.layer.0.attention.self.query': [
    1.23693182, -1.10073889, -0.899858637, -0.599888162,
  ],
  'gradient of B of encoder.layer.0.attention.self.key': [1.34626485, 0.947178234, -1.33248756, -3.87236094],
  'gradient of A of encoder.layer.0.attention.self.key': [1.11525694, -0.242855255, 0.750897116, -2.41750442],
  'gradient of B of encoder.layer.0.attention.self.value': [3.47366255, 0.230943774, -2.15282057, 2.11394499],
  'gradient of A of encoder.layer.0.attention.self.value': [
    3.06651323, -2.85736931, -1.71090235, -0.917087553,
  ],
  'all gradients': [11.6327678, -13.9066789, -3.18974296, -16.3572058],
  'squared norms of gradients': [96.2987241, -15.3309377, 135.321288, -15.3309377],
  'weighted sum of gradients': [4.73991632, 2.24794561, 0.552564503, -3.9714312],
  'one gradient of two': [8.67906174, -2.84429755, -4.73132221, -3.85787742],
  'truncated sum': [5157.95105, 1129.0, -3161.0, -9269.0],
  'slice of a vector': [4341.05264, -6166.0, -8304.0, 2470.0],
};
