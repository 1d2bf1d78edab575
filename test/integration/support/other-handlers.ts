export const handlers = { other: () => 'other' };
