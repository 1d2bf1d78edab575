/** What a check found. */
export type Finding = {
  subject: string;
  status: 'ok' | 'warning' | 'problem';
  detail: string;
  /** What to do about it. */
  advice?: string;
};

export const ok = (subject: string, detail: string): Finding => ({ subject, status: 'ok', detail });
export const warning = (subject: string, detail: string, advice: string): Finding => {
  return { subject, status: 'warning', detail, advice };
};
export const problem = (subject: string, detail: string, advice: string): Finding => {
  return { subject, status: 'problem', detail, advice };
};
