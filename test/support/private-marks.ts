/**
 * Words by which tests mark what must never be logged, so that whoever reads the logs of a whole suite knows it again:
 * every password that a test types, every message that it sends, every title that it gives, every secret that it configures.
 */

/** In every password of a test, right or wrong; but not in those that are refused for being too common or too short. */
export const PASSWORD_MARK = 'horse battery'

/** In the passwords that are too common to be accepted. */
export const COMMON_PASSWORD = 'password1234'

/** At the front of a message, where also the title that is made of it has it. */
export const MESSAGE_MARK = 'said-in-confidence'

/** Titles that tests give: they are words of the conversation like any others. */
export const TITLE_MARK = 'A title'

/** In the secrets that tests configure. */
export const SECRET_MARK = 'hunter2'
