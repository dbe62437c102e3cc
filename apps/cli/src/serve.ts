import { SERVER_PROGRAM, runInForeground } from './serverProcess.ts';

export const SERVE_USAGE = `chorale serve --data-dir DIR [--port N] [--config run.json] [--host ADDRESS]

Starts a server and prints the contributor and the admin address. All options go to the server as they are.
Build the pages first: npm run build.

A model that the config names as hf:organisation/name@revision is downloaded into the data directory, each commit once, from
HF_ENDPOINT (default https://huggingface.co), with the access token in HF_TOKEN, in the file HF_TOKEN_PATH, or as
\`hf auth login\` left it, where there is one.
`;

export async function serve(args: string[]): Promise<number> {
  return await runInForeground(SERVER_PROGRAM, args);
}
