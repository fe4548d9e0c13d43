// SPDX-License-Identifier: Apache-2.0
// The application goes on changing submissions while they are worked on: nothing of either side is lost.
// A page is held back by the site until the application has done its part, so the order is certain.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { connect, savesAgain } from './schemas.mjs';
import { Rig, until } from './rig.mjs';

for (const kind of ['alone', 'replica set']) describe(`server: ${kind}`, () => {
    const rig = new Rig();
    let site, uri, app, gleaner;

    before(async () => {
        uri = await rig.mongod(kind);
        site = await rig.site();
        app = await connect(uri);
        gleaner = rig.gleaner(uri, '--drain-ms', '300');
    });
    after(async () => {
        await app?.close();
        await rig.end(gleaner);
        await rig.close();
    });

    /** A submission whose page the site holds back: release() answers it. */
    async function inWork(path) {
        let release;
        const asked = new Promise(resolve => rig.pages.set(path, (request, response) => {
            release = () => response.writeHead(200, { 'content-type': 'text/html' }).end(`<title>T</title><p>words of ${path}`);
            resolve();
        }));
        const submission = await app.ScraperSubmission.create({ type: 'text', url: site + path, bambiname: 'tester' });
        await asked;
        return { id: submission._id, release };
    }

    const ended = id => until('the end of a submission', async () => {
        const now = await app.ScraperSubmission.findById(id).orFail();
        return now.status !== 'pending' && now;
    });

    test('votes and comments of the application during the work are kept', async () => {
        const { id, release } = await inWork('/votes');
        await app.ScraperSubmission.updateOne({ _id: id }, { $inc: { upvotes: 3 } });
        await app.ScraperSubmission.updateOne({ _id: id }, { $push: { comments: { bambiname: 'a', text: 'one' } } });
        release();
        const document = await ended(id);
        assert.deepEqual([document.status, document.upvotes, document.comments.length, document.results.text.contentFound],
            ['completed', 3, 1, true]);
    });

    test('a copy loaded before the end and saved after it overwrites nothing of ours', async () => {
        const { id, release } = await inWork('/stale');
        const copies = await Promise.all([1, 2, 3].map(() => app.ScraperSubmission.findById(id)));
        release();
        await ended(id);
        copies[0].upvotes += 1;
        copies[1].comments.push({ bambiname: 'b', text: 'two' });
        copies[2].results.image.content.push({ url: 'http://elsewhere/i.png' });
        copies[2].results.image.contentFound = true;
        for (const copy of copies) await copy.save();
        const document = await savesAgain(app.ScraperSubmission, id);
        assert.equal(document.status, 'completed');
        assert.match(document.results.text.content, /words of \/stale/);
        assert.deepEqual([document.upvotes, document.comments.length, document.results.image.content.length], [1, 1, 1]);
    });

    test('a comment is removed and another edited during the work', async () => {
        const { id, release } = await inWork('/edits');
        const first = await app.ScraperSubmission.findById(id);
        first.comments.push({ bambiname: 'c', text: 'keep' }, { bambiname: 'c', text: 'drop' });
        await first.save();
        const copy = await app.ScraperSubmission.findById(id);
        release();
        await ended(id);
        copy.comments[0].text = 'kept';
        copy.comments.pull(copy.comments[1]._id);
        await copy.save();
        const document = await savesAgain(app.ScraperSubmission, id);
        assert.deepEqual(document.comments.map(comment => comment.text), ['kept']);
        assert.equal(document.status, 'completed');
    });

    test('a submission deleted during the work stays deleted and disturbs no other', async () => {
        const gone = await inWork('/deleted');
        const other = await inWork('/beside-it');
        await app.ScraperSubmission.deleteOne({ _id: gone.id });
        gone.release();
        other.release();
        assert.equal((await ended(other.id)).status, 'completed');
        const next = await inWork('/after-it'); // the batch with the deleted one is settled by now
        next.release();
        await ended(next.id);
        assert.equal(await app.ScraperSubmission.findById(gone.id), null);
    });

    test('during the work the status is pending and our fields name the process', async () => {
        const { id, release } = await inWork('/status');
        const stored = await app.db.collection('scrapersubmissions').findOne({ _id: id });
        assert.equal(stored.status, 'pending');
        assert.match(stored.gleaner.owner, new RegExp(`^gleaner/.*/${gleaner.pid}$`));
        const document = await app.ScraperSubmission.findById(id);
        await document.validate();
        await document.save();
        release();
        await ended(id);
    });

    test('a stopped process hands back what it holds, the next one takes it at once', async () => {
        const { id } = await inWork('/handed-back');
        const next = rig.gleaner(uri);
        const exit = once(gleaner, 'exit');
        rig.pages.set('/handed-back', [200, 'text/html', '<p>second time']);
        gleaner.kill('SIGTERM');
        const document = await ended(id);
        await exit;
        gleaner = next;
        assert.equal(document.status, 'completed');
        const { gleaner: ours } = await app.db.collection('scrapersubmissions').findOne({ _id: id });
        assert.equal(ours.deliveries, 1, 'as if never claimed');
    });

    test('an idle process asks at most twice a second and sees a new job within one', async () => {
        // every command of every client counts but those that look after a connection and our own question
        const ignored = new Set(['hello', 'isMaster', 'ismaster', 'ping', 'serverStatus', 'endSessions']);
        const counters = async () => Object.entries((await app.db.admin().serverStatus()).metrics.commands)
            .filter(([name, value]) => !ignored.has(name) && typeof value === 'object')
            .reduce((sum, [, { total }]) => sum + Number(total), 0);
        const pause = ms => new Promise(resolve => setTimeout(resolve, ms));
        const latencies = [];
        for (let i = 0; i < 5; i++) { // at different places between two questions
            await pause(700 + 130 * i);
            const path = `/woken-${i}`;
            const asked = new Promise(resolve => rig.pages.set(path, (request, response) => { resolve(); response.end(); }));
            const { _id } = await app.ScraperSubmission.create({ type: 'text', url: site + path, bambiname: 'tester' });
            const at = Date.now();
            await asked;
            latencies.push(Date.now() - at);
            await ended(_id);
        }
        const [from, start] = [await counters(), Date.now()];
        await pause(4000);
        const [to, seconds] = [await counters(), (Date.now() - start) / 1000];
        const operations = to - from;
        console.log(`server ${kind}: woken after ${latencies} ms (bar: 1000); idle: ${(operations / seconds).toFixed(2)} operations a second (bar: 2)`);
        assert.ok(operations <= 2 * seconds + 1, `${operations} in ${seconds} s`);
    });
});
