/**
 * Files of SQL are split where a statement ends and nowhere else, so that a local start makes what wrangler makes.
 */
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { statementsOf } from '../../src/storage/sql-statements.ts'

describe('a file of SQL', () => {
  test('is split at semicolons, and comments and empty statements are left out', () => {
    expect(statementsOf('-- first; one\nSELECT 1; SELECT/* a;b */2;;\n ; SELECT 3')).toEqual([
      'SELECT 1',
      'SELECT 2',
      'SELECT 3',
    ])
  })

  test('is not split in texts and quoted names, nor at what looks like a comment in them', () => {
    const statements = [
      "SELECT 'a;''; -- no comment'",
      'SELECT "a;""; /* no comment */"',
      'SELECT `a;b`',
      'SELECT [a;--b]',
    ]
    expect(statementsOf(`${statements.join(';\n')};`)).toEqual(statements)
  })

  test('is not split in a trigger, whose CASE has an END of its own', () => {
    const trigger =
      'CREATE TRIGGER t BEFORE UPDATE ON x WHEN NOT (1) BEGIN SELECT CASE WHEN 1 THEN 2 ELSE CASE 3 WHEN 3 THEN 4 END END; DELETE FROM y; END'
    expect(statementsOf(`CREATE TABLE x (a);\n${trigger};\nSELECT 1;`)).toEqual([
      'CREATE TABLE x (a)',
      trigger,
      'SELECT 1',
    ])
  })

  test.each(['create temp trigger', 'CREATE\nTEMPORARY  TRIGGER', 'Create Trigger'])(
    'knows a trigger as "%s"',
    (beginning) => {
      const sql = `${beginning} t AFTER INSERT ON x begin SELECT 1; SELECT 2; end; SELECT 3`
      expect(statementsOf(sql)).toHaveLength(2)
    },
  )

  test('is split at a transaction, and columns may be called like the words of a trigger', () => {
    expect(
      statementsOf('BEGIN; SELECT 1; END; CREATE TABLE trigger_log ("begin" TEXT, the_end TEXT); SELECT 2'),
    ).toEqual([
      'BEGIN',
      'SELECT 1',
      'END',
      'CREATE TABLE trigger_log ("begin" TEXT, the_end TEXT)',
      'SELECT 2',
    ])
  })

  test('gives statements that make the same database as the file as a whole', () => {
    const statement = fc.constantFrom(
      "INSERT INTO x VALUES ('a;b')",
      'INSERT INTO x VALUES (CASE WHEN 1 THEN 2 END)',
      'CREATE TRIGGER IF NOT EXISTS t AFTER INSERT ON x WHEN 1 BEGIN INSERT INTO y VALUES (NEW.a); INSERT INTO y VALUES (CASE 1 WHEN 1 THEN 3 END); END',
      'DROP TRIGGER IF EXISTS t',
      '-- a comment; with a semicolon\nDELETE FROM x WHERE a = 2',
      "/* BEGIN; */ UPDATE y SET a = '--' WHERE a = 3",
    )
    const content = (run: (db: DatabaseSync) => void): string => {
      const db = new DatabaseSync(':memory:')
      db.exec('CREATE TABLE x (a); CREATE TABLE y (a)')
      run(db)
      const rows = ['x', 'y'].map((table) => db.prepare(`SELECT a FROM ${table} ORDER BY rowid`).all())
      db.close()
      return JSON.stringify(rows)
    }
    fc.assert(
      fc.property(
        fc.array(statement, { maxLength: 12 }),
        fc.constantFrom(';', ';\n', ' ;\n\n'),
        (parts, end) => {
          const sql = parts.map((part) => part + end).join('')
          const pieces = statementsOf(sql)
          expect(pieces).toHaveLength(parts.length)
          expect(content((db) => pieces.forEach((piece) => db.prepare(piece).run()))).toBe(
            content((db) => db.exec(sql)),
          )
        },
      ),
    )
  })
})
