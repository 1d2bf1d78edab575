import { MemoryApiKeys } from '../../services/adapters/memory/api-keys.ts';
import { apiKeysConformance } from '../conformance/api-keys.ts';

apiKeysConformance('memory', async () => new MemoryApiKeys({ now: () => Date.now() }));
