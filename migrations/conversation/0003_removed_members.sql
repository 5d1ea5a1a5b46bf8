ALTER TABLE `invites` ADD `made_seq` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `members` ADD `removed_seq` integer;