-- Timers of high priority, in the order of firing: those that stand behind a flood are found without passing over it. The others
-- pay nothing for it. `timer_urgent_timers` (services/adapters/postgres/timer-store.ts) names the same condition.
CREATE INDEX timers_urgent ON timers (partition, fire_at, run_id) WHERE topic LIKE '%.high';
