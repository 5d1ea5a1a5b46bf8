CREATE TABLE `chunks` (
	`slot` integer PRIMARY KEY NOT NULL,
	`message` integer NOT NULL,
	`attempt` integer NOT NULL,
	`offset` integer NOT NULL,
	`delta` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `conversation` (
	`id` text PRIMARY KEY NOT NULL,
	`owner_id` text NOT NULL,
	`title` text NOT NULL,
	`created_at` integer NOT NULL,
	`deleted_at` integer
);
--> statement-breakpoint
CREATE TABLE `events` (
	`seq` integer PRIMARY KEY NOT NULL,
	`type` text NOT NULL,
	`subject` integer,
	`data` text,
	`at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `marks` (
	`id` integer PRIMARY KEY NOT NULL,
	`delivered` integer NOT NULL,
	`settled_turn` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `members` (
	`user_id` text PRIMARY KEY NOT NULL,
	`role` text NOT NULL,
	`joined_at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `messages` (
	`number` integer PRIMARY KEY NOT NULL,
	`parent` integer,
	`turn` integer NOT NULL,
	`role` text NOT NULL,
	`status` text NOT NULL,
	`content` text NOT NULL,
	`tokens` integer NOT NULL,
	`author_id` text,
	`author_name` text,
	`client_id` text,
	`created_at` integer NOT NULL,
	`agent_id` text,
	`model` text,
	`finish_reason` text,
	`usage` text,
	`error` text
);
--> statement-breakpoint
CREATE TABLE `turns` (
	`number` integer PRIMARY KEY NOT NULL,
	`asked_by` integer NOT NULL,
	`client_key` text NOT NULL,
	`state` text NOT NULL,
	`priority` text NOT NULL,
	`agent_id` text NOT NULL,
	`model` text NOT NULL,
	`attempts` integer NOT NULL,
	`accepted_seq` integer NOT NULL,
	`request_id` text NOT NULL,
	`created_at` integer NOT NULL,
	`ended_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `turns_client_key` ON `turns` (`client_key`);