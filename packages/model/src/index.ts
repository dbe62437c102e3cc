export { ModelError } from './modelError.ts';
export { readSafetensors, writeSafetensors } from './weights/safetensors.ts';
export type { NamedTensor } from './weights/safetensors.ts';
export { readWeights } from './weights/weights.ts';
export type { Weights } from './weights/weights.ts';
export { parseEncoderConfig } from './config/encoderConfig.ts';
export type { Architecture, EncoderConfig } from './config/encoderConfig.ts';
export { MODEL_FILE_NAMES, jsonOf } from './files/modelFiles.ts';
export type { ModelFiles } from './files/modelFiles.ts';
export { neededModelFiles } from './files/neededModelFiles.ts';
export { packModel } from './files/packModel.ts';
export { frozenWeight, readCheckpoint } from './checkpoint.ts';
export type { Checkpoint, ClassifierWeights, PoolerWeights } from './checkpoint.ts';
export { bucketLength, padBatch } from './batch.ts';
export type { TokenBatch } from './batch.ts';
export { openTokenizer } from './tokenizer/openTokenizer.ts';
export { tokenizerJsonOf } from './tokenizer/tokenizerFiles.ts';
export type { TextTokenizer, TokenSequence } from './tokenizer/textTokenizer.ts';
export {
  LAYER_MODULES,
  checkpointModuleName,
  classifierNames,
  moduleName,
  moduleShape,
} from './encoder/modules.ts';
export type { ClassifierNames, LayerModule } from './encoder/modules.ts';
export { uploadEncoder, disposeEncoder } from './encoder/encoder.ts';
export type { Encoder } from './encoder/encoder.ts';
export type { AdapterFactors, Adapters, LinearAdapter, OnAdapterGradient } from './encoder/adapters.ts';
export { encoderForward } from './encoder/encoderForward.ts';
export type { EncoderSaved, ForwardOptions } from './encoder/encoderForward.ts';
export { encoderBackward } from './encoder/encoderBackward.ts';
export type { BackwardOptions } from './encoder/encoderBackward.ts';
export { disposePooler, pool, poolBackward, uploadPooler } from './head/pooler.ts';
export type { PoolSaved, Pooler, Pooling } from './head/pooler.ts';
export { classify, classifyBackward, oneHotLabels } from './head/classifier.ts';
export type { Head } from './head/classifier.ts';
export { selfTest } from './selfTest/selfTest.ts';
