// SPDX-License-Identifier: Apache-2.0
// What the tests of this folder share: a real mongod, a site on loopback, the real program. Waiting is
// always for an event; limits only end a test that hangs.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, mkdirSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

const LIMIT_MS = 60000;

export async function until(what, test, limit = LIMIT_MS) {
    for (const end = Date.now() + limit; ;) {
        const value = await test();
        if (value) return value;
        if (Date.now() > end) throw new Error(`waited ${limit} ms for ${what}`);
        await new Promise(resolve => setTimeout(resolve, 10));
    }
}

function freePort() {
    return new Promise((resolve, reject) => {
        const server = net.createServer().on('error', reject);
        server.listen(0, '127.0.0.1', () => {
            const { port } = server.address();
            server.close(() => resolve(port));
        });
    });
}

function listens(port) {
    return new Promise(resolve => {
        const socket = net.connect(port, '127.0.0.1');
        socket.on('connect', () => { socket.destroy(); resolve(true); }).on('error', () => resolve(false));
    });
}

export class Rig {
    home = mkdtempSync(path.join(os.tmpdir(), 'gleaner-mongoose-'));
    processes = new Set();
    pages = new Map(); // path -> [status, content type, body] or function (request, response)
    requests = [];

    start(program, args, options) {
        const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'], cwd: this.home, ...options });
        child.errors = '';
        child.stderr.on('data', data => { child.errors = (child.errors + data).slice(-4000); });
        this.processes.add(child);
        child.on('exit', () => this.processes.delete(child));
        return child;
    }

    /** A server alone, or a replica set of one. */
    async mongod(kind = 'alone') {
        const port = await freePort(), more = kind === 'alone' ? [] : ['--replSet', 'rs', '--oplogSize', '64'];
        const data = path.join(this.home, 'mongod');
        mkdirSync(data);
        const child = this.start(process.env.MONGOD, ['--dbpath', data, '--port', port, '--bind_ip', '127.0.0.1', '--nounixsocket',
            '--wiredTigerCacheSizeGB', '0.25', ...more], { stdio: ['ignore', 'ignore', 'pipe'] });
        await until('mongod', () => { if (child.exitCode !== null) throw new Error('mongod ended'); return listens(port); });
        const uri = `mongodb://127.0.0.1:${port}/bambisleep`;
        if (kind === 'alone') return uri;
        const { default: mongoose } = await import('mongoose');
        const connection = await mongoose.createConnection(`${uri}?directConnection=true`).asPromise();
        await connection.db.admin().command({ replSetInitiate: { _id: 'rs', members: [{ _id: 0, host: `127.0.0.1:${port}` }] } });
        await until('a primary', async () => (await connection.db.admin().command({ hello: 1 })).isWritablePrimary);
        await connection.close();
        return `${uri}?replicaSet=rs`;
    }

    async site() {
        const server = http.createServer((request, response) => {
            this.requests.push(request.url);
            const page = this.pages.get(request.url);
            if (typeof page === 'function') return page(request, response);
            const [status, type, body] = page ?? [404, 'text/plain', 'not here'];
            response.writeHead(status, { 'content-type': type });
            response.end(body);
        });
        server.listen(0, '127.0.0.1');
        await once(server, 'listening');
        this.server = server;
        return `http://127.0.0.1:${server.address().port}`;
    }

    gleaner(uri, ...more) {
        const data = mkdtempSync(path.join(this.home, 'data-'));
        return this.start(process.env.GLEANER, ['run', '--to', uri, '--data', data, '--allow-net', '127.0.0.0/8', '--no-progress', ...more],
            { env: { PATH: process.env.PATH, HOME: this.home, TMPDIR: this.home } });
    }

    async end(child, signal = 'SIGTERM') {
        if (child.exitCode !== null || child.signalCode !== null) return;
        child.kill(signal);
        await once(child, 'exit');
    }

    async close() {
        for (const child of [...this.processes]) await this.end(child, 'SIGKILL');
        this.server?.closeAllConnections();
        this.server?.close();
        rmSync(this.home, { recursive: true, force: true });
    }
}
