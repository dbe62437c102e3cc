import { expect, test } from 'vitest';

// WebGPU suites elsewhere passed for years without testing anything, because "no adapter" was taken for a skip.
test('the browser of the test project gives a WebGPU adapter and runs a shader', async () => {
  const adapter = await navigator.gpu.requestAdapter();
  if (adapter === null)
    throw new Error('navigator.gpu.requestAdapter() gave null under the flags of @chorale/chromium');
  const { vendor, architecture } = adapter.info;
  console.info(`WebGPU adapter: ${vendor} ${architecture}`);
  const device = await adapter.requestDevice();
  expect(await doubleOnDevice(device, new Float32Array([1, 2.5, -4]))).toEqual(new Float32Array([2, 5, -8]));
  device.destroy();
});

test('the page is cross-origin isolated, as wasm threads need', () => {
  expect(globalThis.crossOriginIsolated).toBe(true);
  expect(new SharedArrayBuffer(8).byteLength).toBe(8);
});

test('files under assets/ can be fetched as they are', async () => {
  const response = await fetch('/assets/models/tiny-encoder/config.json');
  expect(await response.json()).toMatchObject({ model_type: 'bert' });
});

async function doubleOnDevice(device: GPUDevice, values: Float32Array<ArrayBuffer>): Promise<Float32Array> {
  const module = device.createShaderModule({
    code: `@group(0) @binding(0) var<storage, read_write> values: array<f32>;
      @compute @workgroup_size(1) fn main(@builtin(global_invocation_id) id: vec3u) { values[id.x] *= 2.0; }`,
  });
  const pipeline = device.createComputePipeline({ layout: 'auto', compute: { module, entryPoint: 'main' } });
  const storage = device.createBuffer({
    size: values.byteLength,
    usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC,
  });
  const readback = device.createBuffer({
    size: values.byteLength,
    usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
  });
  device.queue.writeBuffer(storage, 0, values);
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(
    0,
    device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: [{ binding: 0, resource: { buffer: storage } }],
    }),
  );
  pass.dispatchWorkgroups(values.length);
  pass.end();
  encoder.copyBufferToBuffer(storage, 0, readback, 0, values.byteLength);
  device.queue.submit([encoder.finish()]);
  await readback.mapAsync(GPUMapMode.READ);
  return new Float32Array(readback.getMappedRange().slice(0));
}
