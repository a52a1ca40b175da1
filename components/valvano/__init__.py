"""The method of Valvano et al., WACV 2024."""
