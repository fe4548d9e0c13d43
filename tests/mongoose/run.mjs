// SPDX-License-Identifier: Apache-2.0
// Runs the suites, or says what is missing and ends with 77 (ctest: skipped).
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import path from 'node:path';

const here = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);

function find(variable, program) {
    for (const file of [process.env[variable], ...process.env.PATH.split(':').map(folder => path.join(folder, program))]) {
        try {
            accessSync(file, constants.X_OK);
            return file;
        } catch { /* the next one */ }
    }
    return undefined;
}

function skip(why) {
    console.log(`SKIPPED: ${why}`);
    process.exit(77);
}

if (!existsSync(path.join(here, 'node_modules/mongoose'))) skip('mongoose is not installed: `./dev mongoose` does it (npm ci in tests/mongoose)');
const GLEANER = find('GLEANER', 'gleaner') ?? skip('no gleaner (GLEANER)');
const MONGOD = find('MONGOD', 'mongod') ?? skip('no mongod (MONGOD)');
const suites = readdirSync(here).filter(name => name.startsWith('test_')).map(name => path.join(here, name));
const result = spawnSync(process.execPath, ['--test', '--test-reporter=spec', '--test-concurrency=1', ...suites],
    { stdio: 'inherit', env: { ...process.env, GLEANER, MONGOD } });
process.exit(result.status ?? 1);
