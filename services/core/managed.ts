/** Jobs that `belfry apply` keeps: it writes its file's name into this label, and prunes no job without it. */
export const MANAGED_BY = 'belfry.managed-by';
