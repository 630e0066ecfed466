import { Box, Text } from 'ink';
import type { ReactElement } from 'react';
import type { Tone } from '../theme.js';
import { fitLine, type Line } from '../view/line.js';
import { useLook } from './theme-context.js';

interface LineViewProps {
  line: Line;
  width: number;
  /** In place of the tones of its pieces: the line under the cursor. */
  tone?: Tone | undefined;
}

/** One line of the screen, at most `width` columns. */
export function LineView({ line, width, tone }: LineViewProps): ReactElement {
  const look = useLook();
  const fitted = fitLine(line, width, tone !== undefined);
  // An empty text would have no height.
  if (fitted.length === 0) return <Text> </Text>;
  return (
    <Text wrap="truncate">
      {fitted.map((span, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a line is drawn whole, its pieces have no identity
        <Text key={index} {...look(tone ?? span.tone)}>
          {span.text}
        </Text>
      ))}
    </Text>
  );
}

interface LinesProps {
  lines: readonly Line[];
  width: number;
  height: number;
}

/** Exactly `height` lines: what is missing is blank. */
export function Lines({ lines, width, height }: LinesProps): ReactElement {
  return (
    <Box flexDirection="column" width={width} height={height}>
      {Array.from({ length: height }, (_, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the place on the screen is the identity
        <LineView key={index} line={lines[index] ?? []} width={width} />
      ))}
    </Box>
  );
}
