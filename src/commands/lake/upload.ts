import { resolve } from 'node:path';
import { Args, Flags } from '@oclif/core';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { layers } from '../../lake/lake.js';
import type { UploadResult } from '../../lake/upload.js';
import { formatBytes, formatCount, formatSeconds } from '../../system/duration.js';

export default class LakeUpload extends ReviewopsCommand<UploadResult> {
  static override summary = 'Copy files or directories into a layer of the lake.';
  static override description =
    'A file keeps its name, what lies in a directory its path from there. What is there already with the same checksum is skipped: an interrupted upload is run again and goes on. What is there with another content is refused before anything is copied, unless --replace is given.';
  static override examples = [
    '<%= config.bin %> lake upload reviews.csv.gz --layer raw',
    '<%= config.bin %> lake upload exports --layer raw --prefix 2026/11',
  ];
  static override strict = false;
  static override args = {
    path: Args.string({
      required: true,
      description: 'File or directory; several may be given.',
    }),
  };
  static override flags = {
    layer: Flags.option({ options: layers, required: true, description: 'Where to.' })(),
    prefix: Flags.string({
      default: '',
      helpValue: 'PATH',
      description: 'Path within the layer below which the files are put.',
    }),
    replace: Flags.boolean({ description: 'Overwrite what is there with another content.' }),
  };

  override async execute(context: CommandContext): Promise<UploadResult> {
    const { argv, flags } = this.input(LakeUpload);
    const { uploadFiles } = await import('../../lake/upload.js');
    const request = {
      paths: argv.map((path) => resolve(context.cwd, path)),
      layer: flags.layer,
      prefix: flags.prefix.replace(/\/+$/, ''),
      replace: flags.replace,
    };
    return uploadFiles(await context.lake(), request, context.job);
  }

  override render({ layer, uploaded, skipped, bytes, seconds }: UploadResult): string {
    const what = `${formatCount(uploaded)} files (${formatBytes(bytes)})`;
    const rest = skipped === 0 ? '' : ` ${formatCount(skipped)} were there already.`;
    return `Uploaded ${what} to ${layer} in ${formatSeconds(seconds)}.${rest}`;
  }
}
