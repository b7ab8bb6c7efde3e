-- the store
SELECT 1;
