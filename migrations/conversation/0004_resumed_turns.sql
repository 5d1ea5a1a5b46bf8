ALTER TABLE `messages` ADD `origin` text;--> statement-breakpoint
ALTER TABLE `turns` ADD `resumed_attempt` integer;--> statement-breakpoint
ALTER TABLE `turns` ADD `resumed_at` integer;