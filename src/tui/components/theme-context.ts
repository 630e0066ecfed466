import { createContext, useContext } from 'react';
import { type Look, type Theme, type Tone, themeOf } from '../theme.js';

export const ThemeContext = createContext<Theme>(themeOf(false));

/** How a tone looks under the theme in force; nothing special without one. */
export function useLook(): (tone: Tone | undefined) => Look {
  const theme = useContext(ThemeContext);
  return (tone) => (tone === undefined ? {} : theme[tone]);
}
