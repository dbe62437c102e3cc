// Gives tfjs's tape its gradients. In Node only behind a hook: these modules import each other without file extensions.
import '@tensorflow/tfjs-core/dist/register_all_gradients.js';
