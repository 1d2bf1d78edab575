import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { Proxy } from '../../chaos/proxy.ts';

/** A server that sends everything back. */
describe('the network of a chaos run', { timeout: 10_000 }, () => {
  let server: Server;
  let proxy: Proxy;
  const received: string[] = [];
  before(async () => {
    server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (bytes) => {
        received.push(String(bytes));
        socket.write(bytes);
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    proxy = await Proxy.open();
    proxy.targetPort = (server.address() as AddressInfo).port;
  });
  after(async () => {
    await proxy.close();
    server.close();
  });

  async function client(): Promise<Socket> {
    const socket = connect(proxy.port, '127.0.0.1');
    await once(socket, 'connect');
    return socket;
  }
  const answer = async (socket: Socket): Promise<string> => String((await once(socket, 'data'))[0]);

  it('passes on what is sent, in both directions', async () => {
    const socket = await client();
    socket.write('hello');
    assert.equal(await answer(socket), 'hello');
    socket.destroy();
  });

  it('what was sent into a cut arrives when it is over', async () => {
    const socket = await client();
    proxy.cut();
    socket.write('held up');
    const other = await client(); // a connection made meanwhile waits, too
    other.write('later');
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.ok(!received.includes('held up'));
    proxy.heal();
    assert.deepEqual(await Promise.all([answer(socket), answer(other)]), ['held up', 'later']);
    socket.destroy();
    other.destroy();
  });

  it('what a client sent before it died arrives, and its connection ends', async () => {
    proxy.cut();
    const ended = once(server, 'connection').then(([socket]) => once(socket as Socket, 'close'));
    const socket = await client();
    socket.write('last words');
    socket.end();
    await new Promise((resolve) => setTimeout(resolve, 20));
    proxy.heal();
    await ended;
    assert.ok(received.includes('last words'));
  });

  it('connections that are reset at the end of a cut are closed', async () => {
    const socket = await client();
    proxy.cut();
    const closed = once(socket, 'close');
    proxy.heal(true);
    await closed;
  });

  it('on a slow way everything takes longer', async () => {
    const socket = await client();
    proxy.slow(40);
    const begunAt = performance.now();
    socket.write('slowly');
    assert.equal(await answer(socket), 'slowly');
    assert.ok(performance.now() - begunAt >= 75, 'there and back');
    proxy.heal();
    socket.destroy();
  });
});
