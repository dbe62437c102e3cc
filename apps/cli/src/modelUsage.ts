/** What `chorale model` says of itself. */
export const MODEL_USAGE = `chorale model inspect DIR [--json]
chorale model encode DIR --text TEXT [--text-pair TEXT] [--adapter DIR] [--pooling cls|mean] [--backend wasm|cpu] [--json]

DIR is a model directory in Hugging Face layout, or the name of an embedded model (assets/models).

inspect: what is in it, what training it takes, and every reason why it could not be used. Exit code 1 when there is one.

encode: what the model makes of a text, with the weights as they are in the directory (runs use them in F16). The last
line is one JSON object: {"ids": […], "hidden": […], "logits": […]}. hidden is the first token's vector of the last layer;
logits are there when the model has a classifier or the adapter brings one.
A special token written into a text, like "[SEP]", is text; Hugging Face's tools need split_special_tokens=True for that.

  --text-pair TEXT   the second text of a pair
  --adapter DIR      an adapter in PEFT's layout (adapter_config.json, adapter_model.safetensors)
  --pooling NAME     what the classifier reads: the first token through the pooler (cls), or the mean over the tokens.
                     Default: what the adapter says of itself, else cls
  --backend NAME     wasm (default) or cpu
  --json             nothing but the last line
`;
