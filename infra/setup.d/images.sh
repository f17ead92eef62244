# shellcheck shell=bash
images_are_there() { return 1; }
plan_images() { :; }
provide_images() { :; }
