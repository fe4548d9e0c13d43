// SPDX-License-Identifier: Apache-2.0
// application.mjs URI SITE JOBS SEED: the application while gleaner works on its submissions. It inserts
// JOBS of them, then votes, comments and deletes, with mongoose, until the last one has ended; in the end
// it compares each submission with its own ledger. For tests/fault/three_processes.py, which reads one
// JSON object a line from standard output: {inserted}, {held: [urls]} in answer to "killed PID" on standard
// input, and {report}.
import readline from 'node:readline';
import { connect, savesAgain } from './schemas.mjs';

const [uri, site, jobs, seed] = process.argv.slice(2);
const DELETED_MAX = 0.1, WRITERS = 6;
const say = object => console.log(JSON.stringify(object));
const pause = ms => new Promise(resolve => setTimeout(resolve, ms));

let state = Number(seed) >>> 0 || 1;
function random(below) { // xorshift: the run is named by its seed
    state ^= state << 13; state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5; state >>>= 0;
    return state % below;
}

const app = await connect(uri);
const { ScraperSubmission } = app;
const ledger = (await ScraperSubmission.insertMany(Array.from({ length: Number(jobs) }, (_, i) =>
    ({ type: 'text', url: `${site}/${i}`, bambiname: 'tester' }))))
    .map(({ _id, url }) => ({ _id, url, up: 0, down: 0, comments: 0, deleted: false, busy: false }));
say({ inserted: ledger.length });

let deleted = 0, actions = 0, rounds = 0;

const deeds = [
    async entry => { // the page's vote button
        entry.up += (await ScraperSubmission.updateOne({ _id: entry._id }, { $inc: { upvotes: 1 } })).modifiedCount;
    },
    async entry => { // loaded, changed, saved: what ends in between must not be overwritten
        const document = await ScraperSubmission.findById(entry._id);
        await pause(random(60));
        document.downvotes += 1;
        await document.save();
        entry.down += 1;
    },
    async entry => {
        const document = await ScraperSubmission.findById(entry._id);
        document.comments.push({ bambiname: `user ${random(9)}`, text: `comment ${entry.comments}` });
        await pause(random(60));
        await document.save();
        entry.comments += 1;
    },
    async entry => {
        if (random(4) > 0 || deleted >= DELETED_MAX * ledger.length) return;
        deleted += 1;
        entry.deleted = true;
        await ScraperSubmission.deleteOne({ _id: entry._id });
    },
];

/* One writer at a time on one submission: two that load and save would overwrite each other, which is the
 * application's own affair. */
async function write(isOver) {
    while (!isOver()) {
        const entry = ledger[random(ledger.length)];
        if (entry.busy || entry.deleted) continue;
        entry.busy = true;
        await deeds[random(deeds.length)](entry);
        entry.busy = false;
        actions += 1;
        await pause(1);
    }
}

readline.createInterface({ input: process.stdin }).on('line', async line => {
    const pid = line.split(' ')[1];
    const held = await app.db.collection('scrapersubmissions').find({ status: 'pending', 'gleaner.owner': new RegExp(`/${pid}$`) }).toArray();
    say({ held: held.map(({ url }) => url) });
});

let over = false;
const writers = Array.from({ length: WRITERS }, () => write(() => over));
while (await ScraperSubmission.countDocuments({ status: 'pending' }) > 0) {
    rounds += 1;
    await pause(50);
}
over = true;
await Promise.all(writers);

const report = { actions, deleted, missing: [], undead: [], votes: [], comments: [], status: {}, delivered: {}, empty: [], unsaved: [] };
let votes = 0, comments = 0;
for (const entry of ledger) {
    const stored = await app.db.collection('scrapersubmissions').findOne({ _id: entry._id });
    if (stored === null || entry.deleted) {
        if (stored === null !== entry.deleted) report[entry.deleted ? 'undead' : 'missing'].push(entry.url);
        continue;
    }
    const document = await savesAgain(ScraperSubmission, entry._id).catch(error => report.unsaved.push(`${entry.url}: ${error}`) && null);
    report.status[stored.status] = (report.status[stored.status] ?? 0) + 1;
    report.delivered[entry.url] = stored.gleaner.deliveries;
    votes += entry.up + entry.down;
    comments += entry.comments;
    if (document === null) continue;
    if (document.upvotes !== entry.up || document.downvotes !== entry.down)
        report.votes.push(`${entry.url}: ${document.upvotes}/${document.downvotes}, not ${entry.up}/${entry.down}`);
    if (document.comments.length !== entry.comments) report.comments.push(`${entry.url}: ${document.comments.length}, not ${entry.comments}`);
    if (!document.results.text.content.includes(`words of ${new URL(entry.url).pathname} `)) report.empty.push(entry.url);
}
const contents = await app.BambiContent.aggregate([{ $group: { _id: '$url', n: { $sum: 1 } } }]);
report.contents = contents.length;
report.contentsTwice = contents.filter(({ n }) => n > 1).map(({ _id }) => _id);
say({ report: { ...report, voteCount: votes, commentCount: comments } });
await app.close();
process.exit(0);
