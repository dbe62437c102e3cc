import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Rival } from './measure.ts';
import type { StepShape } from './shapes.ts';

/** The same step in PyTorch: a copy of B for each example, its own autograd, clipping, whole grid units. */
const SCRIPT = `
import json, sys, time
import torch
import torch.nn.functional as F

torch.set_num_threads(1)
torch.manual_seed(1)
shape = json.loads(sys.argv[1])
d, layers, heads, inner = shape["hiddenSize"], shape["layerCount"], shape["headCount"], shape["intermediateSize"]
n, t, rank = shape["exampleCount"], shape["tokens"], shape["rank"]

def linear(i, o):
    return torch.randn(o, i) * 0.05, torch.randn(o) * 0.05

def norm():
    return torch.ones(d), torch.zeros(d)

model = [
    dict(q=linear(d, d), k=linear(d, d), v=linear(d, d), o=linear(d, d), up=linear(d, inner), down=linear(inner, d),
         n1=norm(), n2=norm(), aq=torch.randn(d, rank) * 0.05, av=torch.randn(d, rank) * 0.05)
    for _ in range(layers)
]
embedded = torch.randn(n, t, d)
embedding_norm = norm()
head = torch.randn(2, d) * 0.02
labels = torch.arange(n) % 2
b = torch.randn(2 * layers, rank, d) * 0.02

def split(y):
    return y.view(n, t, heads, d // heads).transpose(1, 2)

def step():
    copies = [m.repeat(n, 1, 1).requires_grad_() for m in b]
    x = F.layer_norm(embedded, (d,), *embedding_norm)
    for i, w in enumerate(model):
        q = F.linear(x, *w["q"]) + 2 * ((x @ w["aq"]) @ copies[2 * i])
        k = F.linear(x, *w["k"])
        v = F.linear(x, *w["v"]) + 2 * ((x @ w["av"]) @ copies[2 * i + 1])
        p = torch.softmax(split(q) @ split(k).transpose(2, 3) / (d // heads) ** 0.5, -1)
        context = (p @ split(v)).transpose(1, 2).reshape(n, t, d)
        x = F.layer_norm(x + F.linear(context, *w["o"]), (d,), *w["n1"])
        x = F.layer_norm(x + F.linear(F.gelu(F.linear(x, *w["up"])), *w["down"]), (d,), *w["n2"])
    loss = F.cross_entropy(F.linear(x.mean(1), head), labels, reduction="sum")
    gradients = torch.cat([g.reshape(n, -1) for g in torch.autograd.grad(loss, copies)], 1)
    factors = torch.clamp(1 / gradients.norm(dim=1), max=1)
    return torch.trunc(gradients * factors[:, None] * 32768).sum(0)

print(torch.__version__, flush=True)
for _ in sys.stdin:
    start = time.perf_counter()
    step()
    print(1000 * (time.perf_counter() - start), flush=True)
`;

/** Where Debian's and most others' Python is, and the one that is first in the path. */
const INTERPRETERS = ['python3', '/usr/bin/python3'];

/** PyTorch on one thread in a process of its own. */
export type Pytorch = { version: string; step: Rival; stop: () => void };

/** @returns null where there is no Python with PyTorch */
export async function startPytorch(shape: StepShape): Promise<Pytorch | null> {
  for (const interpreter of INTERPRETERS) {
    const child = spawn(interpreter, ['-c', SCRIPT, JSON.stringify(shape)], {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: { ...process.env, OMP_NUM_THREADS: '1' },
    });
    // A missing interpreter shows as an error, a missing torch as an end without a line
    child.on('error', () => {});
    child.stdin.on('error', () => {});
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const version = await lines.next();
    if (version.done) continue;
    return {
      version: version.value,
      async step() {
        child.stdin.write('\n');
        return Number((await lines.next()).value);
      },
      stop: () => child.stdin.end(),
    };
  }
  return null;
}
