/** What roles of the database may do that nobody has granted anything, or just the tables. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { TestDeployment, SILENT } from '../integration/support/deployment.ts';
import { migrate } from '../../services/migrate/main.ts';
import { readConfig } from '../../services/runtime/config.ts';

describe('functions of the schema', { timeout: 60_000 }, () => {
  let belfry: TestDeployment;
  const roles = { stranger: '', service: '' };
  before(async () => {
    belfry = await TestDeployment.create({ partitions: 1 });
    for (const name of ['stranger', 'service'] as const) {
      roles[name] = `${belfry.schema}_${name}`;
      await belfry.rows(`CREATE ROLE ${roles[name]}`);
    }
  });
  after(async () => {
    for (const role of Object.values(roles)) await belfry.rows(`DROP OWNED BY ${role}`);
    for (const role of Object.values(roles)) await belfry.rows(`DROP ROLE ${role}`);
    await belfry.destroy();
  });

  const executable = async (role: string): Promise<{ some: boolean; all: boolean }> => {
    const [row] = await belfry.rows<{ some: boolean; all: boolean }>(
      `SELECT bool_or(has_function_privilege($1, oid, 'EXECUTE')) AS some, bool_and(has_function_privilege($1, oid, 'EXECUTE')) AS all
       FROM pg_proc WHERE pronamespace = $2::regnamespace`,
      [role, belfry.schema],
    );
    return row!;
  };

  it('are closed to roles without a grant, those of later migrations too', async () => {
    assert.equal((await executable(roles.stranger)).some, false);
    await belfry.rows('CREATE FUNCTION of_a_later_migration() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$');
    assert.equal((await executable(roles.stranger)).some, true);
    await migrate(readConfig(belfry.env), SILENT, {});
    assert.equal((await executable(roles.stranger)).some, false);
  });

  it('stay open to the roles that services work as', async () => {
    await belfry.rows(
      `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${belfry.schema} TO ${roles.service}`,
    );
    await belfry.rows('CREATE FUNCTION of_another_migration() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$');
    await migrate(readConfig(belfry.env), SILENT, {});
    assert.equal((await executable(roles.service)).all, true);
    assert.equal((await executable(roles.stranger)).some, false);
  });
});
