// SPDX-License-Identifier: Apache-2.0
// The application's models, with mongoose 8 as the application uses it: strict schemas, so our extra
// fields are unknown to it; validation on each save; __v kept by mongoose.
import mongoose from 'mongoose';
const { Schema } = mongoose;

const result = content => ({ contentFound: { type: Boolean, default: false }, content });
const counter = { type: Number, default: 0, min: 0, validate: Number.isInteger };
const metadata = {
    keywords: { type: [String], required: true },
    description: String,
    categories: [String],
    created: Date,
};

const schemas = {
    ScraperSubmission: ['scrapersubmissions', {
        type: { type: String, enum: ['text', 'image', 'video'] },
        scrapeType: { type: String, enum: ['text', 'image', 'video'] }, // of older ones
        url: { type: String, required: true },
        bambiname: { type: String, required: true },
        status: { type: String, enum: ['pending', 'completed', 'failed'], default: 'pending', required: true },
        results: {
            text: result({ type: String, default: '' }),
            image: result({ type: Array, default: [] }),
            video: result({ type: Array, default: [] }),
        },
        upvotes: counter,
        downvotes: counter,
        comments: [{
            bambiname: { type: String, required: true },
            text: { type: String, required: true },
            date: { type: Date, default: Date.now },
        }],
        submittedAt: { type: Date, default: Date.now },
    }],
    BambiContent: ['bambicontents', {
        type: { type: String, enum: ['text', 'document'], required: true },
        fileType: { type: String, required: true },
        title: { type: String, required: true },
        content: { type: String, required: true },
        url: String,
        source: { type: String, enum: ['web', 'local'], required: true },
        metadata,
        filePath: String,
        mediaType: String,
        dateAdded: { type: Date, required: true },
    }],
    ImageContent: ['imagecontents', {
        type: { type: String, enum: ['image'], required: true },
        url: { type: String, required: true, match: /^https?:\/\// },
        source: { type: String, required: true, match: /^https?:\/\// },
        metadata,
        dateAdded: { type: Date, required: true },
    }],
    BambiVideoContent: ['bambivideocontents', {
        type: { type: String, enum: ['video'], required: true },
        title: { type: String, required: true },
        url: { type: String, required: true, match: /^https?:\/\// },
        source: { type: String, enum: ['web'], required: true },
        metadata,
        dateAdded: { type: Date, required: true },
    }],
    Profile: ['profiles', {
        username: { type: String, required: true, unique: true },
        displayName: String,
        about: String,
        activeTriggers: [String],
        settings: { theme: String },
        xp: counter,
        level: counter,
    }],
};

/** The models on a connection of their own. */
export async function connect(uri) {
    const connection = mongoose.createConnection(uri, { serverSelectionTimeoutMS: 20000, autoIndex: false });
    const models = {};
    for (const [name, [collection, fields]] of Object.entries(schemas))
        models[name] = connection.model(name, new Schema(fields), collection);
    await connection.asPromise();
    return { ...models, connection, db: connection.db, close: () => connection.close() };
}

/** Loads it, validates it as a whole, saves it with every path marked, and loads it again. */
export async function savesAgain(model, id) {
    const loaded = await model.findById(id).orFail();
    await loaded.validate();
    for (const path of Object.keys(model.schema.paths))
        if (path !== '_id' && path !== '__v') loaded.markModified(path);
    await loaded.save();
    return model.findById(id).orFail();
}
